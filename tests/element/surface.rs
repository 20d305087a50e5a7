//! The element's public surface, as `gst-inspect-1.0` would tell it, against the text in
//! `tests/snapshots`. Set `M2SD_UPDATE_SNAPSHOTS=1` to write it anew, and look at the difference.

use std::fmt::Write;
use std::path::Path;

use glib::ParamSpec;
use gst::prelude::*;

use super::support::init;

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/m2sdfilter.txt");

fn flags(property: &ParamSpec) -> String {
    let mutable = [
        (gst::PARAM_FLAG_MUTABLE_READY, "changeable in NULL or READY"),
        (gst::PARAM_FLAG_MUTABLE_PAUSED, "changeable up to PAUSED"),
        (gst::PARAM_FLAG_MUTABLE_PLAYING, "changeable in any state"),
    ];
    let access =
        [(glib::ParamFlags::READABLE, "readable"), (glib::ParamFlags::WRITABLE, "writable")];
    let all = access.iter().chain(&mutable).filter(|(flag, _)| property.flags().contains(*flag));
    all.map(|(_, text)| *text).collect::<Vec<_>>().join(", ")
}

/// The smallest and the largest value, where the type has them.
fn range(property: &ParamSpec) -> Option<String> {
    if let Some(p) = property.downcast_ref::<glib::ParamSpecUInt>() {
        return Some(format!("{} - {}", p.minimum(), p.maximum()));
    }
    if let Some(p) = property.downcast_ref::<glib::ParamSpecUInt64>() {
        return Some(format!("{} - {}", p.minimum(), p.maximum()));
    }
    let p = property.downcast_ref::<glib::ParamSpecDouble>()?;
    Some(format!("{} - {}", p.minimum(), p.maximum()))
}

/// A value as it is given on a command line.
fn text(value: &glib::Value) -> String {
    match value.get::<Option<String>>() {
        Ok(text) => text.map_or("unset".to_owned(), |text| format!("{text:?}")),
        Err(_) => value.serialize().map_or("none".to_owned(), |text| text.to_string()),
    }
}

fn describe_property(out: &mut String, property: &ParamSpec) -> std::fmt::Result {
    writeln!(out, "\n{}: {} ({})", property.name(), property.value_type(), property.nick())?;
    writeln!(out, "    {}", property.blurb().unwrap_or_default())?;
    writeln!(out, "    {}", flags(property))?;
    if let Some(range) = range(property) {
        writeln!(out, "    range {range}")?;
    }
    if property.flags().contains(glib::ParamFlags::WRITABLE) {
        writeln!(out, "    default {}", text(property.default_value()))?;
    }
    if let Some(class) = glib::EnumClass::with_type(property.value_type()) {
        for value in class.values() {
            writeln!(out, "    ({}) {}: {}", value.value(), value.nick(), value.name())?;
        }
    }
    Ok(())
}

fn describe(factory: &gst::ElementFactory) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    for key in ["long-name", "klass", "description", "author"] {
        writeln!(out, "{key}: {}", factory.metadata(key).unwrap_or_default())?;
    }
    writeln!(out, "rank: {}", i32::from(factory.rank()))?;
    let element = factory.create().build().unwrap();
    for template in element.pad_template_list() {
        let (direction, presence) = (template.direction(), template.presence());
        writeln!(out, "\npad {} ({direction:?}, {presence:?})", template.name_template())?;
        for structure in template.caps().iter() {
            writeln!(out, "    {}", structure.name())?;
            for (name, value) in structure.iter() {
                writeln!(out, "    {name}: {}", value.serialize().unwrap())?;
            }
        }
    }
    for property in element.list_properties() {
        if property.owner_type() == element.type_() {
            describe_property(&mut out, &property)?;
        }
    }
    Ok(out)
}

#[test]
fn pads_and_properties_are_as_published() {
    init();
    let found = describe(&gst::ElementFactory::find("m2sdfilter").unwrap()).unwrap();
    if std::env::var_os("M2SD_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(SNAPSHOT, &found).unwrap();
    }
    let expected = std::fs::read_to_string(Path::new(SNAPSHOT)).unwrap();
    let differs = expected.lines().zip(found.lines()).find(|(e, f)| e != f);
    let lengths = (expected.lines().count(), found.lines().count());
    assert!(
        found == expected,
        "the public surface has changed, first in {differs:#?}, lines {lengths:?}; if that is \
         meant, run this test with M2SD_UPDATE_SNAPSHOTS=1 and say so in CHANGELOG.md"
    );
}

#[test]
fn what_cannot_change_while_running_says_so_to_everyone() {
    init();
    let element = gst::ElementFactory::make("m2sdfilter").build().unwrap();
    for property in element.list_properties() {
        let writable = property.flags().contains(glib::ParamFlags::WRITABLE);
        if property.owner_type() == element.type_() && writable {
            let flags = [gst::PARAM_FLAG_MUTABLE_READY, gst::PARAM_FLAG_MUTABLE_PLAYING];
            assert!(
                flags.iter().any(|flag| property.flags().contains(*flag)),
                "{}",
                property.name()
            );
            assert!(property.blurb().is_some_and(|blurb| blurb.len() > 15), "{}", property.name());
        }
    }
}

#[test]
fn every_property_keeps_what_it_is_given() {
    init();
    let element = gst::ElementFactory::make("m2sdfilter").build().unwrap();
    for property in element.list_properties() {
        let writable = property.flags().contains(glib::ParamFlags::WRITABLE);
        if property.owner_type() != element.type_() || !writable {
            continue;
        }
        let name = property.name();
        let default = text(property.default_value());
        assert_eq!(text(&element.property_value(name)), default, "{name}");
        let other = match property.value_type() {
            glib::Type::STRING => "gpu:1",
            glib::Type::BOOL => "false",
            glib::Type::F64 => "0.25",
            glib::Type::U32 | glib::Type::U64 => "7",
            _ => "1",
        };
        element.set_property_from_str(name, other);
        assert_ne!(text(&element.property_value(name)), default, "{name}");
    }
}
