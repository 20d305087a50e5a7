//! Cost curves as SVG: for each sweep a picture, in it a panel for each figure.

use std::fmt::Write;
use std::path::Path;

use super::case::Sweep;
use super::report::{Entry, Report};
use crate::error::CliError;
use crate::partial_file;

const PANEL: (f64, f64) = (240.0, 150.0);
/// Around a panel: left for the numbers, above for the title, below for the axis.
const MARGIN: (f64, f64, f64) = (60.0, 34.0, 40.0);

/// Writes `faces.svg` and so on into `dir`, for the sweeps that there are.
pub fn write(dir: &Path, report: &Report) -> Result<(), CliError> {
    std::fs::create_dir_all(dir)
        .map_err(|e| CliError::input(format!("cannot make {}: {e}", dir.display())))?;
    let mut entries = report.results.as_slice();
    while let Some(sweep) = entries.first().and_then(|entry| entry.sweep) {
        let same = entries.iter().take_while(|entry| entry.sweep == Some(sweep)).count();
        let (these, rest) = entries.split_at(same);
        let path = dir.join(format!("{}.svg", sweep.name()));
        partial_file::write(&path, picture(sweep, these).as_bytes())?;
        entries = rest;
    }
    Ok(())
}

/// One figure over what was varied.
struct Curve<'a> {
    title: &'a str,
    axis: &'a str,
    points: Vec<(f64, f64)>,
}

fn picture(sweep: Sweep, entries: &[Entry]) -> String {
    let axis = if sweep == Sweep::Resolution { "lines" } else { sweep.name() };
    let figures = entries.iter().map(|entry| entry.measured.headline()).collect::<Vec<_>>();
    let panels = figures.first().map_or(0, |first| first.len());
    let width = panels as f64 * (PANEL.0 + MARGIN.0) + 20.0;
    let height = PANEL.1 + MARGIN.1 + MARGIN.2;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for panel in 0..panels {
        let pairs = entries.iter().zip(&figures);
        let points = pairs.map(|(entry, f)| (sweep.value(&entry.case), f[panel].0)).collect();
        let title = figures[0][panel].1;
        let x = panel as f64 * (PANEL.0 + MARGIN.0) + MARGIN.0;
        // Writing to a string does not fail.
        let _ = writeln!(svg, "<g transform=\"translate({x} {})\">", MARGIN.1);
        let _ = Curve { title, axis, points }.draw(&mut svg);
        svg.push_str("</g>\n");
    }
    svg + "</svg>\n"
}

/// The least of 1, 2, 5, 10, 20 … that is not less: a round end of an axis.
fn round_up(value: f64) -> f64 {
    let decade = 10f64.powf(value.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.map(|step| step * decade).into_iter().find(|end| *end >= value).unwrap_or(value)
}

impl Curve<'_> {
    fn draw(&self, svg: &mut String) -> std::fmt::Result {
        let (width, height) = PANEL;
        let most = |part: fn(&(f64, f64)) -> f64| self.points.iter().map(part).fold(0.0, f64::max);
        let (end_x, end_y) = (most(|p| p.0), round_up(most(|p| p.1)));
        let place = |(x, y): (f64, f64)| (x / end_x * width, height - y / end_y * height);
        writeln!(svg, "<text x=\"0\" y=\"-14\" font-weight=\"bold\">{}</text>", self.title)?;
        for y in [0.0, 0.5, 1.0].map(|part| part * end_y) {
            let (at, y) = (place((0.0, y)).1, (y * 1e6).round() / 1e6);
            writeln!(svg, "<path d=\"M0 {at:.1}H{width}\" stroke=\"#ccc\"/>")?;
            writeln!(svg, "<text x=\"-6\" y=\"{:.1}\" text-anchor=\"end\">{y}</text>", at + 4.0)?;
        }
        let mut path = String::new();
        for (index, point) in self.points.iter().enumerate() {
            let (x, y) = place(*point);
            write!(path, "{}{x:.1} {y:.1}", if index == 0 { "M" } else { "L" })?;
            writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"#1667b7\"/>")?;
            let below = height + 15.0;
            writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{below}\" text-anchor=\"middle\">{}</text>",
                point.0
            )?;
        }
        writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"#1667b7\" stroke-width=\"2\"/>")?;
        let (middle, below) = (width / 2.0, height + 31.0);
        writeln!(
            svg,
            "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{}</text>",
            self.axis
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (most, end) in [(0.7, 0.8), (3.1, 4.0), (10.0, 10.0), (1152.0, 2000.0)] {
            assert!((round_up(most) - end).abs() < 1e-9, "{most}: {}", round_up(most));
        }
    }

    #[test]
    fn a_point_is_where_its_numbers_say() {
        let mut svg = String::new();
        let points = vec![(1.0, 10.0), (2.0, 5.0)];
        Curve { title: "frames/s", axis: "faces", points }.draw(&mut svg).unwrap();
        let (x, y) = (PANEL.0, PANEL.1 / 2.0);
        assert!(svg.contains(&format!("d=\"M{:.1} 0.0L{x:.1} {y:.1}\"", x / 2.0)), "{svg}");
    }
}
