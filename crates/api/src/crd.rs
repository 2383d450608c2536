//! The definitions that are installed into a Kubernetes cluster, made from the types.
//!
//! The derive's schemas are nearly what is wanted. Two things are mended: a null that is written where a field is optional
//! would pass the schema and then puzzle the rules, so it is not allowed; and the text that Kubernetes' own types bring along
//! (a third of the file) is dropped, because it is documented where they are.

use crate::{ClusterClass, DatabaseCluster};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

/// Every definition, in the order of their names.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![mended(ClusterClass::crd()), mended(DatabaseCluster::crd())]
}

fn mended(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut definition.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
            refuse_null(schema);
            for foreign in [
                &["spec", "placement", "affinity"][..],
                &["spec", "placement", "tolerations"],
                &["status", "conditions"],
            ] {
                if let Some(part) = at(schema, foreign) {
                    below(part, &mut |inner| inner.description = None);
                }
            }
        }
    }
    definition
}

fn at<'a>(schema: &'a mut JSONSchemaProps, path: &[&str]) -> Option<&'a mut JSONSchemaProps> {
    path.iter().try_fold(schema, |schema, name| schema.properties.as_mut()?.get_mut(*name))
}

fn refuse_null(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    below(schema, &mut |inner| inner.nullable = None);
}

/// Visits every schema below this one.
fn below(schema: &mut JSONSchemaProps, visit: &mut dyn FnMut(&mut JSONSchemaProps)) {
    let mut children: Vec<&mut JSONSchemaProps> =
        schema.properties.iter_mut().flat_map(|all| all.values_mut()).collect();
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => children.push(item),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => children.extend(items.iter_mut()),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut schema.additional_properties {
        children.push(value);
    }
    for child in children {
        visit(child);
        below(child, visit);
    }
}
