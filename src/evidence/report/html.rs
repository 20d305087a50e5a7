//! A report as a page that needs no other file, no network and no scripts.

use base64ct::{Base64, Encoding};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::document::{
    Align, Anchor, Block, Document, Drawing, DrawingKind, Mark, Picture, Shape, Span, Style, Table,
    Text,
};

/// Of what is above and below the words, in the page's own colours, for light and dark.
const STYLE: &str = include_str!("report.css");

pub(super) fn page(document: &Document) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Report: " (document.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "Faces in " (document.title) }
                    @for block in &document.summary { (markup(block)) }
                    @for section in &document.sections {
                        section aria-labelledby=(section.id) {
                            h2 id=(section.id) { (spans(&section.heading)) }
                            @for block in &section.blocks { (markup(block)) }
                        }
                    }
                }
                footer { p.note { (spans(&document.footer)) } }
            }
        }
    };
    page.into_string()
}

fn spans(text: &Text) -> Markup {
    html! { @for part in text { (span(part)) } }
}

fn span(Span { text, style }: &Span) -> Markup {
    html! {
        @match style {
            Style::Plain => (text),
            Style::Strong => b { (text) },
            Style::Code => code { (text) },
            Style::Verdict => span class={ "label " (text) } { (text) },
            Style::Link(id) => a href={ "#" (id) } { (text) },
        }
    }
}

fn markup(block: &Block) -> Markup {
    html! {
        @match block {
            Block::Heading(text) => h3 { (text) },
            Block::Paragraph(text) => p { (spans(text)) },
            Block::Note(text) => p.note { (spans(text)) },
            Block::Warning(text) => p.warn { (spans(text)) },
            Block::List(lines) => ul { @for line in lines { li { (spans(line)) } } },
            Block::Command(command) => pre tabindex="0" { code { (command) } },
            Block::Facts(facts) => dl {
                @for (name, value) in facts { dt { (name) } dd { (spans(value)) } }
            },
            Block::Table(rows) => (table(rows)),
            Block::Drawing(what) => (drawing(what)),
            Block::Pictures(all) => div.pictures { @for one in all { (picture(one)) } },
            Block::Folded { summary, blocks } => details {
                summary { (summary) }
                @for block in blocks { (markup(block)) }
            },
        }
    }
}

fn table(table: &Table) -> Markup {
    let class = |column: usize| match table.columns.get(column).map(|column| column.align) {
        Some(Align::End) => "number",
        _ => "text",
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label=(table.name) {
            table {
                @if table.shows_name { caption { (table.name) } }
                thead { tr {
                    @for (n, column) in table.columns.iter().enumerate() {
                        th scope="col" class=(class(n)) { (column.name) }
                    }
                } }
                tbody { @for row in &table.rows { tr {
                    @for (n, cell) in row.iter().enumerate() {
                        @if n == 0 { th scope="row" { (span(cell)) } }
                        @else { td class=(class(n)) { (span(cell)) } }
                    }
                } } }
            }
        }
    }
}

fn picture(picture: &Picture) -> Markup {
    let (class, width, height) = match picture.shape {
        Shape::Square => ("square", 192, 192),
        Shape::Strip(count) => ("strip", 112 * count, 112),
    };
    html! {
        figure class=(class) {
            @if let Some(jpeg) = &picture.jpeg {
                img alt=(picture.alt) width=(width) height=(height)
                    src={ "data:image/jpeg;base64," (Base64::encode_string(jpeg)) };
            }
            figcaption { (picture.caption) }
        }
    }
}

fn drawing(drawing: &Drawing) -> Markup {
    let [width, height] = drawing.size;
    let svg = |class: &str| {
        html! {
            svg class=(class) role="img" viewBox={ "0 0 " (width) " " (height) }
                aria-label=(drawing.alt)
            {
                title { (drawing.alt) }
                @if let Some(jpeg) = &drawing.backdrop {
                    image width=(width) height=(height) preserveAspectRatio="none"
                        href={ "data:image/jpeg;base64," (Base64::encode_string(jpeg)) } {}
                }
                @for one in &drawing.marks { (mark(one)) }
            }
        }
    };
    html! {
        @match drawing.kind {
            DrawingKind::Timeline => figure {
                div.scroll tabindex="0" role="region" aria-label=(drawing.caption) {
                    (svg("timeline"))
                }
                figcaption { (drawing.caption) }
            },
            DrawingKind::Path => figure.path { (svg("path")) figcaption { (drawing.caption) } },
        }
    }
}

fn mark(mark: &Mark) -> Markup {
    html! {
        @match mark {
            Mark::Rect { ink, x, y, width, height } => rect class=(ink.as_str()) x=(f(*x)) y=(f(*y))
                width=(f(*width)) height=(f(*height)) {},
            Mark::Line { ink, points } => polyline class=(ink.as_str()) points=(list(points)) {},
            Mark::Label { at: [x, y], anchor, text } => text x=(f(*x)) y=(f(*y))
                text-anchor=(match anchor { Anchor::Middle => "middle", Anchor::End => "end" }) { (text) },
        }
    }
}

fn list(points: &[[f64; 2]]) -> String {
    let points = points.iter().map(|[x, y]| format!("{},{}", f(*x), f(*y)));
    points.collect::<Vec<_>>().join(" ")
}

/// To a tenth of a unit.
fn f(value: f64) -> String {
    format!("{value:.1}")
}
