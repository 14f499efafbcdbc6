pub struct PayloadSchema(jsonschema::Validator);
pub struct SchemaFault {
    pub pointer: String,
    pub message: String,
}
#[derive(serde::Serialize)]
pub struct Mismatch {
    instance_path: String,
    schema_path: String,
    message: String,
}
impl PayloadSchema {
    pub fn compile(v: &serde_json::Value) -> Result<Self, SchemaFault> {
        jsonschema::validator_for(v)
            .map(Self)
            .map_err(|e| SchemaFault { pointer: String::new(), message: e.to_string() })
    }
    pub fn check(&self, v: &serde_json::Value) -> Result<(), Vec<Mismatch>> {
        let e: Vec<_> = self
            .0
            .iter_errors(v)
            .map(|e| Mismatch {
                instance_path: e.instance_path().to_string(),
                schema_path: e.schema_path().to_string(),
                message: e.masked().to_string(),
            })
            .collect();
        if e.is_empty() { Ok(()) } else { Err(e) }
    }
}
