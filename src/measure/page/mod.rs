//! The page that shows an evaluation: one HTML file that needs no other and no network.

mod plots;
mod probit;
mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use thiserror::Error;

use super::Video;
use super::evaluation::Evaluation;
use tables::{abstentions, across, figures, groups, robustness};

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// The data that was evaluated.
    pub title: &'a str,
    /// Names and values, for the foot of the page.
    pub facts: &'a [(String, String)],
    /// One section each, in this order.
    pub classifiers: &'a [Classifier],
}

/// What is shown of one classifier.
#[derive(Clone, Debug)]
pub struct Classifier {
    /// The name of the classifier.
    pub name: String,
    /// Whether anybody vouches for it, as people are told.
    pub standing: String,
    /// What was measured on the videos as they are.
    pub evaluation: Evaluation,
    /// The same videos, degraded.
    pub degraded: Vec<Evaluation>,
    /// The videos whose scores were most wrong.
    pub worst: Vec<Worst>,
}

/// A video that was called what it is not, or nearly.
#[derive(Clone, Debug)]
pub struct Worst {
    /// What it is called, and what it is.
    pub video: Video,
    /// P(fake) of the video.
    pub score: f64,
    /// A JPEG picture of the face in base64.
    pub face: Option<String>,
}

/// The page could not be drawn.
#[derive(Debug, Error)]
#[error("a plot cannot be drawn: {0}")]
pub struct PageError(#[from] Box<dyn std::error::Error + Send + Sync>);

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;color:#222;max-width:1220px;margin:24px auto;padding:0 16px}\
h1{font-size:24px}h2{margin-top:40px;border-top:1px solid #ddd;padding-top:20px}h3{margin:26px 0 8px}\
table{border-collapse:collapse;margin:8px 0}td,th{padding:3px 12px 3px 0;text-align:right;\
border-bottom:1px solid #eee;font-variant-numeric:tabular-nums;vertical-align:top}\
th{font-weight:600;border-bottom:1px solid #bbb}td:first-child,th:first-child,.text{text-align:left}\
.range{color:#888;font-size:12px;white-space:nowrap}.plots{display:flex;flex-wrap:wrap;gap:8px}\
.plots svg{border:1px solid #eee}.faces{display:flex;flex-wrap:wrap;gap:14px}\
.faces figure{margin:0;width:150px;font-size:12px;overflow-wrap:anywhere}\
.faces img,.faces .none{width:128px;height:128px;object-fit:contain;background:#f3f3f3;display:block}\
.note{color:#555;max-width:80ch}.scroll{overflow-x:auto}";

/// # Errors
/// When a plot cannot be drawn.
pub fn render(page: &Page<'_>) -> Result<String, PageError> {
    let sections: Vec<Markup> = page.classifiers.iter().map(section).collect::<Result<_, _>>()?;
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "m2sd eval: " (page.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Evaluation on " (page.title) }
                p.note {
                    "Fake is the positive class. In grey, 95 % intervals of a bootstrap over videos, where \
                     there are two of each class. What holds here holds for videos like these."
                }
                @for section in &sections { (section) }
                h2 { "Made with" }
                table { @for (name, value) in page.facts {
                    tr { td { (name) } td.text { (value) } }
                } }
            }
        }
    };
    Ok(whole.into_string())
}

fn section(classifier: &Classifier) -> Result<Markup, PageError> {
    let Classifier { name, standing, evaluation, degraded, worst } = classifier;
    let plots = plots::all(evaluation)?;
    let [real, fake] = evaluation.videos;
    Ok(html! {
        h2 { (name) }
        p.note {
            (standing) " Videos: " (real) " real, " (fake) " fake; nothing is said about "
            (evaluation.abstentions.len()) ". "
            @match evaluation.threshold {
                Some(threshold) => { "Called fake above " (format!("{threshold:.6}")) "." }
                None => { "It has no operating point: nothing is called fake or real." }
            }
        }
        (figures(evaluation))
        div.plots { @for plot in &plots { (PreEscaped(plot)) } }
        (groups(evaluation))
        (across(evaluation))
        (robustness(evaluation, degraded))
        (faces(worst))
        (abstentions(evaluation))
    })
}

fn faces(worst: &[Worst]) -> Markup {
    html! {
        @if !worst.is_empty() {
            h3 { "Worst errors" }
            p.note { "The real videos with the highest, and the fake ones with the lowest scores." }
            div.faces { @for Worst { video, score, face } in worst {
                figure {
                    @match face {
                        Some(face) => img alt=(video.file) src={ "data:image/jpeg;base64," (face) };,
                        None => div.none {},
                    }
                    figcaption { b { (video.class) " " (format!("{score:.4}")) } br; (video.file) }
                }
            } }
        }
    }
}

#[cfg(test)]
mod tests;
