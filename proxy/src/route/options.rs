//! The startup parameter `options`: taking `berth.cluster` out of it and leaving the rest as it was written.
//!
//! Split as PostgreSQL does it (`pg_split_opts`): at white space, with a backslash before a character that is meant itself.

/// The name of the setting that names the cluster.
pub(super) const CLUSTER: &str = "berth.cluster";

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// The cluster, each time it was named.
    pub(super) clusters: Vec<String>,
    /// What is left for the database.
    pub(super) rest: String,
    /// A setting of Berth's own that no client may set.
    pub(super) reserved: Option<String>,
}

/// Takes Berth's settings out.
pub(super) fn parse(options: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut kept: Vec<&str> = Vec::new();
    let mut tokens = split(options).into_iter().peekable();
    while let Some((raw, text)) = tokens.next() {
        let (setting, second) = match text.as_str() {
            "-c" => match tokens.next() {
                Some((raw_second, setting)) => (Some(setting), Some(raw_second)),
                None => (None, None),
            },
            other => {
                let setting = other.strip_prefix("--").or_else(|| other.strip_prefix("-c"));
                (setting.map(str::to_owned), None)
            }
        };
        let name_value = setting.as_deref().and_then(|s| s.split_once('='));
        match name_value {
            Some((name, value)) if name.eq_ignore_ascii_case(CLUSTER) => {
                parsed.clusters.push(value.to_owned());
            }
            Some((name, _)) if is_reserved(name) => parsed.reserved = Some(name.to_owned()),
            Some(_) | None => {
                kept.push(raw);
                kept.extend(second);
            }
        }
    }
    parsed.rest = kept.join(" ");
    parsed
}

/// Whether a setting belongs to Berth.
pub(super) fn is_reserved(name: &str) -> bool {
    name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("berth."))
}

/// Tokens as they are written and as they are meant.
fn split(options: &str) -> Vec<(&str, String)> {
    let mut tokens = Vec::new();
    let mut text = String::new();
    let mut start = None;
    let mut escaped = false;
    for (at, c) in options.char_indices() {
        if c.is_ascii_whitespace() && !escaped {
            if let Some(from) = start.take() {
                tokens.push((&options[from..at], std::mem::take(&mut text)));
            }
            continue;
        }
        start.get_or_insert(at);
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            text.push(c);
            escaped = false;
        }
    }
    if let Some(from) = start {
        tokens.push((&options[from..], text));
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::absent("-c work_mem=1MB --geqo=off", &[], "-c work_mem=1MB --geqo=off")]
    #[case::alone("-c berth.cluster=shop/orders", &["shop/orders"], "")]
    #[case::together("-cberth.cluster=shop/orders", &["shop/orders"], "")]
    #[case::long("--berth.cluster=shop/orders -c a=b", &["shop/orders"], "-c a=b")]
    #[case::case("-c BERTH.Cluster=shop/orders", &["shop/orders"], "")]
    #[case::between("-c a=b\\ c  -c berth.cluster=shop/orders -d 1", &["shop/orders"], "-c a=b\\ c -d 1")]
    #[case::twice("-c berth.cluster=a/b -c berth.cluster=c/d", &["a/b", "c/d"], "")]
    #[case::dangling("-c", &[], "-c")]
    #[case::value_alone("-c x -c berth.cluster=a/b", &["a/b"], "-c x")]
    fn is_taken_out(#[case] options: &str, #[case] clusters: &[&str], #[case] rest: &str) {
        let parsed = parse(options);
        assert_eq!(parsed.clusters, clusters);
        assert_eq!(parsed.rest, rest);
        assert_eq!(parsed.reserved, None);
    }

    #[test]
    fn what_the_agent_sets_no_client_may_set() {
        assert_eq!(parse("-c berth.term=9").reserved.as_deref(), Some("berth.term"));
    }
}
