//! To a sidecar's text.

use std::fmt::{self, Display, Formatter};

use super::{CALIBRATION, GLOBAL, OPERATING_POINT, SUFFICIENCY, is_section_name};
use crate::core::modelinfo::{
    Calibration, Direction, LlrMap, MeasuredPoint, ModelInfo, Port, Rate, SufficiencyKeys,
    Template, Training,
};

/// A line, where there is a value.
fn line(f: &mut Formatter<'_>, key: &str, value: Option<impl Display>) -> fmt::Result {
    match value {
        // Texts come from people and files, and may not bring keys of their own.
        Some(value) => writeln!(f, "{key}={}", value.to_string().replace(char::is_control, " ")),
        None => Ok(()),
    }
}

fn name<'a>(value: Option<impl Into<&'a str>>) -> Option<&'a str> {
    value.map(Into::into)
}

fn joined<T: Display>(values: impl IntoIterator<Item = T>, between: &str) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(between)
}

fn pairs<T: Display>(values: impl IntoIterator<Item = (T, T)>) -> String {
    joined(values.into_iter().map(|(a, b)| format!("{a},{b}")), ";")
}

impl Display for ModelInfo {
    /// The sidecar's text, without tensors that it cannot name ([`ModelInfo::to_sidecar`]).
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "[{GLOBAL}]\nversion=1.0")?;
        line(f, "role", self.role)?;
        line(f, "title", self.title.as_ref())?;
        line(f, "licence", self.licence.as_ref())?;
        line(f, "terms", self.terms.as_ref())?;
        line(f, "source", self.source.as_ref())?;
        line(f, "training", (self.training != Training::Unknown).then_some(self.training))?;
        line(f, "threshold", self.threshold)?;
        line(f, "channel-order", name(self.channel_order))?;
        line(f, "outputs", name(self.outputs))?;
        line(f, "fake-index", name(self.fake_index))?;
        line(f, "input-layout", name(self.input_layout))?;
        line(f, "template", self.template.as_ref().map(template))?;
        line(f, "align", name(self.align))?;
        line(f, "crop-scale", self.crop_scale)?;
        line(f, "fps", self.fps.map(|fps| format!("{},{}", fps.lowest, fps.highest)))?;
        line(f, "family", name(self.family))?;
        let levels = |levels: &Vec<Vec<f32>>| joined(levels.iter().map(|l| joined(l, ",")), ";");
        line(f, "anchors", self.anchors.as_ref().map(|anchors| levels(&anchors.0)))?;
        sufficiency(f, &self.sufficiency)?;
        if let Some(found) = &self.calibration {
            calibration(f, found)?;
        }
        self.points.iter().try_for_each(|found| point(f, found))?;
        let ports = self.ports.iter().filter(|port| is_section_name(&port.name));
        ports.into_iter().try_for_each(|port| self.port(f, port))
    }
}

fn template(template: &Template) -> String {
    let known = Template::NAMES.iter().find(|(_, known)| known == template);
    known.map_or_else(|| pairs(template.0.map(|[x, y]| (x, y))), |(name, _)| (*name).to_owned())
}

fn sufficiency(f: &mut Formatter<'_>, keys: &SufficiencyKeys) -> fmt::Result {
    if *keys == SufficiencyKeys::default() {
        return Ok(());
    }
    writeln!(f, "\n[{SUFFICIENCY}]")?;
    line(f, "eye-distance", keys.eye_distance_px)?;
    line(f, "sharpness", keys.sharpness)?;
    line(f, "brightness", keys.brightness.map(|range| pairs([range])))?;
    line(f, "contrast", keys.contrast)?;
    line(f, "pose", keys.pose_deg)?;
    line(f, "outside", keys.outside)?;
    line(f, "clips", keys.clips)?;
    line(f, "seconds", keys.seconds)?;
    line(f, "spread", keys.spread)
}

fn calibration(f: &mut Formatter<'_>, found: &Calibration) -> fmt::Result {
    writeln!(f, "\n[{CALIBRATION}]")?;
    match &found.map {
        LlrMap::Platt { slope, intercept } => {
            writeln!(f, "method=platt\nslope={slope}\nintercept={intercept}")?;
        }
        LlrMap::Isotonic(knots) => {
            writeln!(f, "method=isotonic\nknots={}", pairs(knots.iter().copied()))?;
        }
    }
    let given = |text: &'_ String| (!text.is_empty()).then(|| text.clone());
    let population = &found.population;
    line(f, "population", given(&population.name))?;
    line(f, "real", Some(population.real))?;
    line(f, "fake", Some(population.fake))?;
    line(f, "date", given(&population.date))?;
    line(f, "list-sha256", given(&population.list_sha256))
}

fn point(f: &mut Formatter<'_>, point: &MeasuredPoint) -> fmt::Result {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    let name: String = point.name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let rate = |rate: Rate| format!("{},{},{}", rate.value, rate.low, rate.high);
    writeln!(f, "\n[{OPERATING_POINT}{name}]")?;
    line(f, "threshold", Some(point.threshold))?;
    line(f, "fpr", Some(rate(point.fpr)))?;
    line(f, "tpr", Some(rate(point.tpr)))
}

impl ModelInfo {
    fn port(&self, f: &mut Formatter<'_>, port: &Port) -> fmt::Result {
        let direction = if port.direction == Direction::Input { "input" } else { "output" };
        writeln!(f, "\n[{}]\ndir={direction}", port.name)?;
        line(f, "type", name(port.element))?;
        let dims = |dims: &Vec<Option<usize>>| {
            joined(dims.iter().map(|d| d.map_or("-1".to_owned(), |d| d.to_string())), ",")
        };
        line(f, "dims", port.dims.as_ref().map(dims))?;
        let of_input = self.normalization.filter(|_| self.input() == Some(&port.name));
        line(f, "ranges", of_input.map(|normalization| pairs(normalization.ranges())))
    }
}
