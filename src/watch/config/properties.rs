//! Properties of `m2sdfilter` in configurations: the element itself says which there are.

use glib::prelude::*;
use serde_json::Value;

use super::Period;
use super::camera::FilterConfig;
use crate::filter::M2sdFilter;

/// What `watch` reads from the bus of every camera.
const OWN: &str = "post-messages";

/// The properties that a configuration may set.
pub struct FilterProperties {
    specs: Vec<glib::ParamSpec>,
}

impl Default for FilterProperties {
    fn default() -> Self {
        Self::new()
    }
}

impl FilterProperties {
    /// Asks the class of the element.
    pub fn new() -> Self {
        let class = glib::Class::<M2sdFilter>::from_type(M2sdFilter::static_type());
        let specs = class.map(|class| class.list_properties()).unwrap_or_default();
        let specs = specs.iter().filter(|spec| {
            spec.owner_type() == M2sdFilter::static_type()
                && spec.flags().contains(glib::ParamFlags::WRITABLE)
                && spec.name() != OWN
        });
        Self { specs: specs.cloned().collect() }
    }

    /// The value that a property becomes.
    ///
    /// # Errors
    /// What was found and what is expected, for a name or a value that the element does not have.
    pub fn value(&self, name: &str, value: &Value) -> Result<glib::Value, String> {
        if name == OWN {
            return Err(format!("{OWN} cannot be set: events are made of the messages"));
        }
        let Some(spec) = self.specs.iter().find(|spec| spec.name() == name) else {
            let names: Vec<_> = self.specs.iter().map(|spec| spec.name()).collect();
            return Err(format!(
                "m2sdfilter has no property {name:?}; it has {}",
                names.join(", ")
            ));
        };
        convert(spec, value)
    }

    /// What is wrong, by property.
    pub fn check(&self, filter: &FilterConfig) -> Vec<(String, String)> {
        let wrong = |(name, value)| Some((String::clone(name), self.value(name, value).err()?));
        filter.iter().filter_map(wrong).collect()
    }

    /// Sets them all.
    ///
    /// # Errors
    /// The first that cannot be set.
    pub fn apply(&self, element: &M2sdFilter, filter: &FilterConfig) -> Result<(), String> {
        for (name, value) in filter {
            element.set_property_from_value(name, &self.value(name, value)?);
        }
        Ok(())
    }
}

/// A value of the property's type, within its range.
fn convert(spec: &glib::ParamSpec, value: &Value) -> Result<glib::Value, String> {
    let name = spec.name();
    let kind = spec.value_type();
    let converted = if kind.is_a(glib::Type::ENUM) {
        return nick(spec, value);
    } else if kind == glib::Type::STRING {
        value.as_str().map(|text| text.to_value())
    } else if kind == glib::Type::BOOL {
        value.as_bool().map(|is| is.to_value())
    } else if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt>() {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        let within = spec.minimum()..=spec.maximum();
        number.filter(|number| within.contains(number)).map(|number| number.to_value())
    } else if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt64>() {
        // Lengths of time, in nanoseconds or with a unit.
        let period = || value.as_str()?.parse::<Period>().ok()?.0.as_nanos().try_into().ok();
        let within = spec.minimum()..=spec.maximum();
        let number = value.as_u64().or_else(period);
        number.filter(|number| within.contains(number)).map(|number| number.to_value())
    } else if let Some(spec) = spec.downcast_ref::<glib::ParamSpecDouble>() {
        let within = spec.minimum()..=spec.maximum();
        value.as_f64().filter(|number| within.contains(number)).map(|number| number.to_value())
    } else {
        None
    };
    converted.ok_or_else(|| format!("{name} is {value}; expected {}", expected(spec)))
}

fn nick(spec: &glib::ParamSpec, value: &Value) -> Result<glib::Value, String> {
    let class = glib::EnumClass::with_type(spec.value_type());
    let class = class.ok_or_else(|| format!("{} is no enumeration", spec.name()))?;
    let found = value.as_str().and_then(|nick| class.to_value_by_nick(nick));
    found.ok_or_else(|| {
        let nicks: Vec<_> = class.values().iter().map(|value| value.nick()).collect();
        format!("{} is {value}; expected one of \"{}\"", spec.name(), nicks.join("\", \""))
    })
}

/// The values that a property takes, in words.
fn expected(spec: &glib::ParamSpec) -> String {
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt>() {
        return format!("a whole number from {} to {}", spec.minimum(), spec.maximum());
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt64>() {
        let [least, most] = [spec.minimum(), spec.maximum()];
        return format!("nanoseconds from {least} to {most}, or a time such as \"100ms\"");
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecDouble>() {
        return format!("a number from {} to {}", spec.minimum(), spec.maximum());
    }
    if spec.value_type() == glib::Type::BOOL {
        return "true or false".to_owned();
    }
    "a text".to_owned()
}
