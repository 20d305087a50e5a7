//! The JSON Schema of events, from the types.

use schemars::generate::SchemaSettings;

use super::Event;

/// The JSON Schema (draft 2020-12) of an event as it is sent.
pub fn json_schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Event>().to_value();
    schema["$id"] = "urn:m2sd:event:1".into();
    schema["properties"]["schema"]["const"] = super::event::SCHEMA.into();
    // As other crates of a build may have objects keep their order.
    schema.sort_all_objects();
    schema
}
