//! Values as records have them.

use serde_json::Value;

pub fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// A structure `quality`, to four digits: what they say beyond is noise.
pub fn quality_json(quality: &gst::StructureRef) -> Value {
    let mut all = serde_json::Map::new();
    for (name, value) in quality.iter() {
        let value = match (value.get::<f64>(), value.get::<gst::Array>()) {
            (Ok(number), _) => ((number * 1e4).round() / 1e4).into(),
            (_, Ok(names)) => names.iter().filter_map(|name| name.get::<String>().ok()).collect(),
            _ => continue,
        };
        all.insert(name.to_string(), value);
    }
    all.into()
}
