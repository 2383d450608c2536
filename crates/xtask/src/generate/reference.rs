//! The reference of the API for people: every field with its type, what it means and what is refused, from the schemas alone.

use serde_json::Value;
use std::fmt::Write;

/// Types that Kubernetes documents; their fields are not repeated.
const KUBERNETES: &[&str] = &["spec.placement.affinity", "spec.placement.tolerations", "status.conditions"];

/// The page.
pub(super) fn page(head: &str, kinds: &[Value]) -> String {
    let mut page = format!("<!-- {head} -->\n# API reference\n");
    line(&mut page, "");
    line(
        &mut page,
        "A field that is accepted does something: what does not work yet is not in the schema. Fields without a default may",
    );
    line(
        &mut page,
        "come from the class. The rules under a kind are checked by the Kubernetes API server, which answers with the text shown.",
    );
    for kind in kinds {
        let names = &kind["spec"]["names"];
        let version = &kind["spec"]["versions"][0];
        let schema = &version["schema"]["openAPIV3Schema"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        line(&mut page, "");
        line(&mut page, &format!("## {}", text(&names["kind"])));
        line(&mut page, "");
        line(&mut page, &text(&schema["description"]));
        line(&mut page, "");
        let scope = if kind["spec"]["scope"] == "Namespaced" {
            "in a namespace"
        } else {
            "for the whole Kubernetes cluster"
        };
        let short: Vec<&str> =
            names["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let short =
            if short.is_empty() { String::new() } else { format!(", short `{}`", short.join("`, `")) };
        line(
            &mut page,
            &format!(
                "`{}/{}`, {scope}; `kubectl get {}`{short}.",
                text(&kind["spec"]["group"]),
                text(&version["name"]),
                text(&names["plural"])
            ),
        );
        for part in ["spec", "status"] {
            let part_schema = &schema["properties"][part];
            if part_schema.is_object() {
                line(&mut page, "");
                line(&mut page, &format!("### {} {part}", text(&names["kind"])));
                line(&mut page, "");
                line(&mut page, "| field | type | what it is |");
                line(&mut page, "|---|---|---|");
                fields(&mut page, part, part_schema);
            }
        }
        let mut rules = Vec::new();
        collect_rules("", schema, &mut rules);
        if !rules.is_empty() {
            line(&mut page, "");
            line(&mut page, &format!("### {} rules", text(&names["kind"])));
            line(&mut page, "");
            line(&mut page, "| field | what is said when it is broken |");
            line(&mut page, "|---|---|");
            for (path, message) in rules {
                let path = if path.is_empty() { "the object".to_owned() } else { format!("`{path}`") };
                line(&mut page, &format!("| {path} | {} |", cell(&message)));
            }
        }
    }
    page
}

fn line(page: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{text}");
}

fn fields(page: &mut String, path: &str, schema: &Value) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let description = field["description"].as_str().unwrap_or_default();
        let needed =
            if required.contains(&name.as_str()) && path.starts_with("spec") { " **Required.**" } else { "" };
        line(page, &format!("| `{path}` | {} | {}{needed} |", kind(field), cell(description)));
        if KUBERNETES.contains(&path.as_str()) {
            continue;
        }
        fields(page, &path, field);
        fields(page, &format!("{path}[]"), &field["items"]);
    }
}

fn kind(field: &Value) -> String {
    let mut kind = match (field["type"].as_str(), field["x-kubernetes-int-or-string"].as_bool()) {
        (_, Some(true)) => "quantity".to_owned(),
        (Some("array"), _) => format!("list of {}", kind(&field["items"])),
        (Some("object"), _) if field["additionalProperties"].is_object() => {
            format!("map of {}", kind_of_values(&field["additionalProperties"]))
        }
        (Some(name), _) => name.to_owned(),
        (None, _) => "any".to_owned(),
    };
    if let Some(values) = field["enum"].as_array() {
        kind =
            values.iter().filter_map(Value::as_str).map(|v| format!("`{v}`")).collect::<Vec<_>>().join(", ");
    }
    match (field["minimum"].as_f64(), field["maximum"].as_f64()) {
        (Some(least), Some(most)) => kind = format!("{kind}, {least} to {most}"),
        (Some(least), None) if least != 0.0 => kind = format!("{kind}, at least {least}"),
        (Some(_) | None, _) => {}
    }
    if let Some(default) = field.get("default").filter(|default| !default.is_object()) {
        kind = format!(
            "{kind}, default `{}`",
            default.as_str().map_or_else(|| default.to_string(), str::to_owned)
        );
    }
    kind
}

fn kind_of_values(values: &Value) -> String {
    let kind = kind(values);
    if kind == "quantity" { "quantities".to_owned() } else { kind }
}

fn collect_rules(path: &str, schema: &Value, found: &mut Vec<(String, String)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        if let Some(message) = rule["message"].as_str() {
            found.push((path.to_owned(), message.to_owned()));
        }
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect_rules(&path, field, found);
        collect_rules(&format!("{path}[]"), &field["items"], found);
    }
}

fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
