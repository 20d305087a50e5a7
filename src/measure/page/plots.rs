//! The plots, as SVG that stands inside the page.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

use super::probit::{Rates, deviate};
use crate::measure::evaluation::Evaluation;
use crate::measure::{Class, Sample};

/// Why a plot could not be drawn: never for want of data.
pub(super) type PlotError = Box<dyn std::error::Error + Send + Sync>;

const SIZE_PX: (u32, u32) = (380, 330);
/// Of the levels, in their order.
const LINES: [RGBColor; 4] = [
    RGBColor(22, 103, 183),
    RGBColor(140, 140, 140),
    RGBColor(214, 105, 20),
    RGBColor(90, 150, 60),
];
const REAL: RGBColor = RGBColor(22, 103, 183);
const FAKE: RGBColor = RGBColor(200, 40, 40);
const FAINT: RGBColor = RGBColor(225, 225, 225);
const FONT: &str = "sans-serif";
const HISTOGRAM_BINS: usize = 25;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;
type Unit = plotters::coord::types::RangedCoordf64;

/// A line with what it is.
struct Curve {
    title: String,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

/// All plots of an evaluation; those for which there are no scores are left out.
pub(super) fn all(of: &Evaluation) -> Result<Vec<String>, PlotError> {
    let levels: Vec<_> = of
        .levels
        .iter()
        .zip(LINES)
        .filter_map(|((level, measured), color)| Some((*level, &measured.as_ref().ok()?.0, color)))
        .collect();
    let mut plots = Vec::new();
    let Some((_, videos)) = levels.first().map(|(level, videos, _)| (level, videos)) else {
        return Ok(plots);
    };
    let curves = |points: fn(&Sample) -> Vec<(f64, f64)>| -> Vec<Curve> {
        let curve = |(level, sample, color): &(crate::measure::evaluation::Level, &Sample, _)| {
            Curve { title: level.as_str().to_owned(), color: *color, points: points(sample) }
        };
        levels.iter().map(curve).collect()
    };
    plots.push(roc(curves(roc_points))?);
    plots.push(det(curves(det_points))?);
    plots.push(histogram(videos, of.threshold)?);
    plots.push(reliability(curves(reliability_points))?);
    if !of.coverage.is_empty() {
        let points = of.coverage.iter().map(|point| (point.coverage, point.risk)).collect();
        plots.push(coverage(points)?);
    }
    Ok(plots)
}

fn roc_points(sample: &Sample) -> Vec<(f64, f64)> {
    sample.tally().roc().iter().map(|point| (point.fpr, point.tpr)).collect()
}

fn det_points(sample: &Sample) -> Vec<(f64, f64)> {
    let roc = sample.tally().roc();
    roc.iter().map(|point| (deviate(point.fpr), deviate(point.fnr()))).collect()
}

fn reliability_points(sample: &Sample) -> Vec<(f64, f64)> {
    sample.tally().reliability().iter().map(|bin| (bin.mean_score, bin.fakes)).collect()
}

/// A picture, drawn by `draw`.
fn picture(draw: impl FnOnce(&Area<'_>) -> Result<(), PlotError>) -> Result<String, PlotError> {
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, SIZE_PX).into_drawing_area();
    root.fill(&WHITE)?;
    draw(&root)?;
    root.present()?;
    drop(root);
    Ok(svg)
}

fn builder<'a, 'b>(root: &'a Area<'b>, title: &str) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(root);
    builder.caption(title, (FONT, 16)).margin(10).x_label_area_size(38).y_label_area_size(48);
    builder
}

/// Grid and axes.
fn mesh<'b, X, Y>(chart: &mut Chart<'_, 'b, X, Y>, x: &str, y: &str) -> Result<(), PlotError>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(x).y_desc(y).label_style((FONT, 11)).axis_desc_style((FONT, 12));
    mesh.max_light_lines(0).bold_line_style(FAINT).x_labels(6).y_labels(6);
    mesh.draw()?;
    Ok(())
}

/// The curves, and which is which.
fn draw_curves<'a, 'b: 'a, X, Y>(
    chart: &mut Chart<'a, 'b, X, Y>,
    curves: Vec<Curve>,
    with_points: bool,
    legend: SeriesLabelPosition,
) -> Result<(), PlotError>
where
    X: Ranged<ValueType = f64> + 'static,
    Y: Ranged<ValueType = f64> + 'static,
{
    for Curve { title, color, points } in curves {
        if with_points {
            let dots = points.iter().map(|point| Circle::new(*point, 3, color.filled()));
            chart.draw_series(dots)?;
        }
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))?
            .label(title)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], color.stroke_width(2)));
    }
    let mut labels = chart.configure_series_labels();
    labels.position(legend).label_font((FONT, 11)).margin(6).legend_area_size(18);
    labels.background_style(WHITE.mix(0.85)).border_style(FAINT).draw()?;
    Ok(())
}

fn diagonal<'b>(chart: &mut Chart<'_, 'b, Unit, Unit>) -> Result<(), PlotError> {
    let grey = RGBColor(150, 150, 150);
    chart.draw_series(DashedLineSeries::new([(0.0, 0.0), (1.0, 1.0)], 4, 4, grey.into()))?;
    Ok(())
}

fn roc(curves: Vec<Curve>) -> Result<String, PlotError> {
    picture(|root| {
        let mut chart = builder(root, "ROC").build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
        mesh(&mut chart, "real called fake (FPR)", "fake called fake (TPR)")?;
        diagonal(&mut chart)?;
        draw_curves(&mut chart, curves, false, SeriesLabelPosition::LowerRight)
    })
}

fn det(curves: Vec<Curve>) -> Result<String, PlotError> {
    picture(|root| {
        let mut chart = builder(root, "DET").build_cartesian_2d(Rates, Rates)?;
        mesh(&mut chart, "real called fake, %", "fake called real, %")?;
        draw_curves(&mut chart, curves, false, SeriesLabelPosition::UpperRight)
    })
}

fn reliability(curves: Vec<Curve>) -> Result<String, PlotError> {
    picture(|root| {
        let mut chart = builder(root, "Reliability").build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
        mesh(&mut chart, "mean score of a bin", "part of it that is fake")?;
        diagonal(&mut chart)?;
        draw_curves(&mut chart, curves, true, SeriesLabelPosition::UpperLeft)
    })
}

fn coverage(points: Vec<(f64, f64)>) -> Result<String, PlotError> {
    let most = points.iter().map(|(_, risk)| *risk).fold(0.05, f64::max);
    let top = (most * 1.15).min(1.0);
    picture(|root| {
        let mut chart =
            builder(root, "Risk and coverage").build_cartesian_2d(0.0..1.0, 0.0..top)?;
        mesh(&mut chart, "part of the videos decided", "part of those decided wrongly")?;
        let curve = Curve { title: "video".to_owned(), color: LINES[0], points };
        draw_curves(&mut chart, vec![curve], true, SeriesLabelPosition::UpperLeft)
    })
}

/// The part of each class's scores in each bin.
fn histogram(sample: &Sample, threshold: Option<f64>) -> Result<String, PlotError> {
    let bins = Class::BOTH.map(|class| {
        let scores: Vec<_> =
            sample.scores().filter(|(_, v)| v.class == class).map(|(score, _)| score).collect();
        let mut bins = [0.0; HISTOGRAM_BINS];
        for score in &scores {
            let bin = ((score * HISTOGRAM_BINS as f64) as usize).min(HISTOGRAM_BINS - 1);
            if let Some(count) = bins.get_mut(bin) {
                *count += 1.0 / scores.len() as f64;
            }
        }
        bins
    });
    let most = bins.iter().flatten().copied().fold(0.0, f64::max);
    picture(|root| {
        let title = "Scores of videos";
        let mut chart = builder(root, title).build_cartesian_2d(0.0..1.0, 0.0..most * 1.4)?;
        mesh(&mut chart, "P(fake)", "part of the class")?;
        for ((bins, class), color) in bins.iter().zip(Class::BOTH).zip([REAL, FAKE]) {
            let bar = |(n, height): (usize, &f64)| {
                let [left, right] = [n, n + 1].map(|n| n as f64 / HISTOGRAM_BINS as f64);
                Rectangle::new([(left, 0.0), (right, *height)], color.mix(0.45).filled())
            };
            let bars = bins.iter().enumerate().filter(|(_, height)| **height > 0.0).map(bar);
            let legend = move |(x, y): (i32, i32)| {
                Rectangle::new([(x, y - 5), (x + 12, y + 5)], color.mix(0.45).filled())
            };
            chart.draw_series(bars)?.label(class.as_str()).legend(legend);
        }
        if let Some(threshold) = threshold {
            let line = [(threshold, 0.0), (threshold, most * 1.4)];
            chart
                .draw_series(DashedLineSeries::new(line, 4, 4, BLACK.into()))?
                .label("threshold")
                .legend(|(x, y)| PathElement::new([(x, y), (x + 12, y)], BLACK));
        }
        let mut labels = chart.configure_series_labels();
        labels.position(SeriesLabelPosition::UpperMiddle).label_font((FONT, 11)).margin(6);
        labels.background_style(WHITE.mix(0.85)).border_style(FAINT).legend_area_size(18).draw()?;
        Ok(())
    })
}
