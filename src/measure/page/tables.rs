//! The tables of the page.

use std::collections::BTreeSet;

use maud::{Markup, html};
use strum::IntoEnumIterator;

use crate::measure::evaluation::{Evaluation, Level};
use crate::measure::metrics::{Figure, Figures, Measured};

/// The real videos from which on a low FPR can be seen at all.
fn reals_needed(figure: Figure) -> usize {
    match figure {
        Figure::TprAtFpr1e2 => 100,
        Figure::TprAtFpr1e3 => 1000,
        _ => 0,
    }
}

fn cell(measured: Option<Measured>) -> Markup {
    html! { td { @match measured {
        Some(Measured { value, low, high }) => {
            (format!("{value:.3}"))
            @if let (Some(low), Some(high)) = (low, high) {
                br; span.range { (format!("{low:.3} to {high:.3}")) }
            }
        }
        None => "–",
    } } }
}

fn group_name(name: &str) -> &str {
    if name.is_empty() { "(no group)" } else { name }
}

/// By level.
pub(super) fn figures(of: &Evaluation) -> Markup {
    let reals = of.level(Level::Video).map_or(0, |(_, figures)| figures.videos[0]);
    let coarse = Figure::iter().any(|figure| reals < reals_needed(figure));
    html! {
        h3 { "Figures" }
        div.scroll { table {
            tr {
                th { "per" } th { "real" } th { "fake" }
                @for figure in Figure::iter() { th { (figure.title()) } }
            }
            @for (level, measured) in &of.levels { tr {
                td { (level.as_str()) }
                @match measured {
                    Ok((_, figures)) => {
                        td { (figures.scores[0]) } td { (figures.scores[1]) }
                        @for figure in Figure::iter() { (cell(figures.get(figure))) }
                    }
                    Err(error) => td.text colspan="12" { (error) },
                }
            } }
        } }
        @if coarse { p.note {
            "Real videos that have a score: " (reals) ". With fewer than 100 and 1000 of them, the TPR at \
             an FPR of 1 % and 0.1 % is the TPR where none is called fake."
        } }
    }
}

/// Of each fake group.
pub(super) fn groups(of: &Evaluation) -> Markup {
    html! { @if !of.groups.is_empty() {
        h3 { "By group" }
        div.scroll { table {
            tr {
                th { "fakes" } th { "against reals of" } th { "real" } th { "fake" }
                @for figure in Figure::iter() { th { (figure.title()) } }
            }
            @for group in &of.groups { tr {
                td { (group_name(&group.group)) }
                td.text { (group.reals.as_deref().map_or("all groups", group_name)) }
                td { (group.figures.videos[0]) } td { (group.figures.videos[1]) }
                @for figure in Figure::iter() { (cell(group.figures.get(figure))) }
            } }
        } }
    } }
}

/// Every fake group against every real group.
pub(super) fn across(of: &Evaluation) -> Markup {
    let Some(across) = &of.across else { return Markup::default() };
    let reals: BTreeSet<&str> = across.pairs.iter().map(|pair| pair.real.as_str()).collect();
    let fakes: BTreeSet<&str> = across.pairs.iter().map(|pair| pair.fake.as_str()).collect();
    let auc = |fake: &str, real: &str| {
        let pair = across.pairs.iter().find(|pair| pair.fake == fake && pair.real == real);
        pair.map_or_else(|| "–".to_owned(), |pair| format!("{:.3}", pair.auc))
    };
    html! {
        h3 { "Across groups" }
        p.note {
            "AUC of each group's fakes against each group's reals. Against their own reals the mean is "
            (format!("{:.3}", across.own)) ", all videos pooled it is "
            (format!("{:.3}", across.pooled)) ": the loss from pooling is "
            b { (format!("{:.3}", across.loss)) }
            ". Above 0, scores shift between groups, and no one threshold serves them all."
        }
        div.scroll { table {
            tr { th { "fakes \\ reals" } @for real in &reals { th { (group_name(real)) } } }
            @for fake in &fakes { tr {
                td { (group_name(fake)) }
                @for real in &reals { td { (auc(fake, real)) } }
            } }
        } }
    }
}

/// The videos as they are, and degraded.
pub(super) fn robustness(of: &Evaluation, degraded: &[Evaluation]) -> Markup {
    let row = |of: &Evaluation| -> Markup {
        let figures: Option<&Figures> = of.level(Level::Video).map(|(_, figures)| figures);
        html! { tr {
            td { (of.degradation) }
            td { (format!("{:.3}", of.abstention_rate())) }
            @for figure in Figure::IN_SHORT { (cell(figures.and_then(|figures| figures.get(figure)))) }
        } }
    };
    html! { @if !degraded.is_empty() {
        h3 { "Robustness" }
        p.note { "Per video, degraded before it is scored." }
        div.scroll { table {
            tr {
                th { "degradation" } th { "nothing said" }
                @for figure in Figure::IN_SHORT { th { (figure.title()) } }
            }
            (row(of))
            @for of in degraded { (row(of)) }
        } }
    } }
}

/// The videos that have no score.
pub(super) fn abstentions(of: &Evaluation) -> Markup {
    html! { @if !of.abstentions.is_empty() {
        h3 { "About which nothing is said" }
        div.scroll { table {
            tr { th { "file" } th { "label" } th.text { "reason" } }
            @for (video, reason) in &of.abstentions {
                tr { td { (video.file) } td { (video.class) } td.text { (reason) } }
            }
        } }
    } }
}
