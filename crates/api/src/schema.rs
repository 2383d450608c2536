//! Schemas that no derive gives: quantities with what the API server must check of them.

use schemars::{Schema, SchemaGenerator, json_schema};

/// What the Kubernetes API accepts as a quantity.
const QUANTITY: &str = r"^([+-]?[0-9.]+)([numkKMGTPE]|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+)?$";

/// A size in bytes as text, above zero, so that rules can compare it without a case for whole numbers.
pub(crate) fn size(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 20,
        "x-kubernetes-validations": [{
            "rule": "isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))",
            "message": "write a size with a unit, such as 20Gi",
        }],
    })
}

/// Amounts of resources by name: each a text such as `500m`, or a whole number.
pub(crate) fn quantities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 20,
        "additionalProperties": {
            "anyOf": [{ "type": "integer" }, { "type": "string" }],
            "pattern": QUANTITY,
            "x-kubernetes-int-or-string": true,
        },
    })
}
