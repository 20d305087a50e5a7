//! The figures of two runs side by side.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::error::CliError;

/// Figures that an earlier run wrote.
pub fn read(path: &Path) -> Result<Value, CliError> {
    let failed = |why: String| CliError::input(format!("cannot read {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
    let figures: Value = serde_json::from_str(&text).map_err(|e| failed(e.to_string()))?;
    if figures["results"].is_array() {
        Ok(figures)
    } else {
        Err(failed("expected what m2sd bench --json writes".to_owned()))
    }
}

/// What grows with the time that was measured, and says nothing by itself.
const AMOUNTS: [&str; 4] = ["count", "total_ms", "wall_s", "frames"];

/// Every number by its place: `limits.clip_ms`, `stages.warp.p50_ms`.
fn numbers(value: &Value, place: String, into: &mut BTreeMap<String, f64>) {
    let below = |name: &str| if place.is_empty() { name.into() } else { format!("{place}.{name}") };
    match value {
        Value::Object(fields) => {
            let told = fields.iter().filter(|(name, _)| !AMOUNTS.contains(&name.as_str()));
            told.for_each(|(name, value)| numbers(value, below(name), into));
        }
        Value::Number(number) => {
            into.extend(number.as_f64().map(|number| (place, number)));
        }
        _ => {}
    }
}

fn figures(report: &Value, case: &Value) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    numbers(&report["limits"], "limits".to_owned(), &mut all);
    for name in ["videoconvert_ms_per_frame", "own_by_videoconvert", "clips_by_bare_classifier"] {
        numbers(&case[name], name.to_owned(), &mut all);
    }
    numbers(&case["measured"], String::new(), &mut all);
    all
}

/// What both runs measured, with new by old. Cases are the same when they say the same.
pub fn table(before: &Value, after: &Value) -> String {
    let mut text = String::new();
    let list = |report: &Value| report["results"].as_array().cloned().unwrap_or_default();
    let earlier = list(before);
    for case in list(after) {
        let key = |case: &Value| (case["sweep"].clone(), case["case"].clone());
        let Some(old) = earlier.iter().find(|old| key(old) == key(&case)) else { continue };
        // Writing to a string does not fail.
        let _ = writeln!(text, "\n{} {:>13} {:>13} {:>8}", case["case"], "old", "new", "new/old");
        let (old, new) = (figures(before, old), figures(after, &case));
        for (name, new) in &new {
            let Some(old) = old.get(name).filter(|old| **old != 0.0) else { continue };
            let _ = writeln!(text, "  {name:<32} {old:>13.4} {new:>13.4} {:>8.3}", new / old);
        }
    }
    if text.is_empty() {
        text.push_str("\nThe earlier run measured none of these cases.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(faces: u32, p50: f64) -> Value {
        json!({ "limits": { "clip_ms": 2.0 }, "results": [{
            "sweep": null, "case": { "faces": faces },
            "measured": { "provider": "cpu", "stages": { "warp": { "p50_ms": p50 } } },
        }] })
    }

    #[test]
    fn equal_cases_are_compared_number_by_number() {
        let table = table(&report(1, 4.0), &report(1, 1.0));
        let line = table.lines().find(|line| line.contains("stages.warp.p50_ms")).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words, ["stages.warp.p50_ms", "4.0000", "1.0000", "0.250"]);
        assert!(table.contains("limits.clip_ms"));
    }

    #[test]
    fn other_cases_are_not_compared() {
        assert!(table(&report(1, 4.0), &report(2, 1.0)).contains("none of these"));
    }
}
