//! The page: summary, faces, what it was made with.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::face::{self, threshold};
use super::origin;
use super::results::{FaceResults, Results};
use super::words;
use crate::core::redact::redact;
use crate::evidence::records::{Header, ModelFile, Rate};
use crate::models::advice::quoted;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c1c1c;--quiet:#565656;--ground:#fff;--line:#d4d4d4;--panel:#f5f5f5;\
--fake:#a4161a;--real:#1b6b3a;--warn:#7a4b00;--mark:#1f5fa8;--gate:#d9d9d9}\
@media(prefers-color-scheme:dark){:root{--ink:#ececec;--quiet:#b0b0b0;--ground:#161616;--line:#454545;\
--panel:#222;--fake:#ff8a80;--real:#7fd6a0;--warn:#f0b95b;--mark:#8ab8f0;--gate:#3a3a3a}}\
*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);\
max-width:980px;margin:0 auto;padding:20px 16px 60px;overflow-wrap:break-word}\
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.25rem;margin:2.2rem 0 .4rem;border-top:1px solid var(--line);\
padding-top:1.2rem}h3{font-size:1.05rem;margin:1.2rem 0 .3rem}a{color:var(--mark)}\
.note,figcaption,caption,dt{color:var(--quiet)}figure{margin:.8rem 0}figcaption,caption{font-size:.9rem;text-align:left}\
.warn{border-left:4px solid var(--warn);background:var(--panel);padding:.5rem .8rem;margin:.6rem 0}\
.label{font-weight:700}.label.fake{color:var(--fake)}.label.real{color:var(--real)}\
.label.uncertain,.label.insufficient{color:var(--warn)}\
table{border-collapse:collapse;font-size:.94rem;font-variant-numeric:tabular-nums}\
th,td{padding:.25rem .9rem .25rem 0;text-align:right;vertical-align:top;border-bottom:1px solid var(--line)}\
th[scope=row],th:first-child,td.text{text-align:left;font-weight:400}thead th{font-weight:600}\
.scroll{overflow-x:auto}.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));\
gap:1rem;align-items:start}svg{display:block;width:100%;height:auto;background:var(--panel)}\
.clips{display:flex;flex-wrap:wrap;gap:1rem}.clips figure{margin:0;max-width:12rem}.timeline{min-width:34rem}td a,th a{white-space:nowrap}svg text{font:11px system-ui,sans-serif;fill:var(--quiet)}.grid{stroke:var(--line)}.gate{fill:var(--gate)}\
.threshold{stroke:var(--warn);stroke-width:1.5;stroke-dasharray:6 4}.clip{stroke:var(--mark);stroke-width:4;opacity:.55}\
polyline{fill:none;stroke:var(--ink);stroke-width:1.2;vector-effect:non-scaling-stroke}\
.path rect{fill:none;stroke:var(--mark);stroke-width:2;vector-effect:non-scaling-stroke}\
.path .first{stroke-dasharray:2 3}.path .frame{stroke:var(--line)}img{max-width:100%;height:auto;display:block}\
code{overflow-wrap:anywhere;font-size:.92em}dl{display:grid;grid-template-columns:minmax(8rem,auto) 1fr;gap:.2rem 1rem}\
dd{margin:0;min-width:0;overflow-wrap:anywhere}pre{background:var(--panel);padding:.6rem .8rem;overflow-x:auto}\
@media(max-width:480px){dl{grid-template-columns:1fr}dt{margin-top:.4rem}}\
@media print{body{max-width:none;font-size:11pt}section{break-inside:avoid}details>*{display:block}}";

/// The page of these results, which needs no other file, no network and no scripts. `made` is what
/// makes it, with its version.
pub fn render(results: &Results, made: &str) -> String {
    let title = title(results);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Report: " (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "Faces in " (title) }
                    (summary(results))
                    @for (number, face) in &results.faces { (face::section(results, *number, face)) }
                    (limits(results))
                    @if let Some(header) = &results.header {
                        @if let Some(provenance) = &header.input.provenance { (origin::section(provenance)) }
                        (made_with(results, header))
                    }
                    (again(results))
                }
                footer { p.note { "Made by " (made) " from " code { (results.file) } "." } }
            }
        }
    };
    page.into_string()
}

/// What was scanned, without its folders.
fn title(results: &Results) -> String {
    let name = results.header.as_ref().map(|header| redact(&header.input.name).into_owned());
    let name = name.unwrap_or_else(|| results.folder.display().to_string());
    match name.contains("://") {
        true => name,
        false => name.rsplit('/').next().unwrap_or(&name).to_owned(),
    }
}

fn summary(results: &Results) -> Markup {
    let count =
        |label: &str| results.faces.values().filter(|face| face.said.label == label).count();
    let (all, fake, real) = (results.faces.len(), count("fake"), count("real"));
    html! {
        p {
            @match all {
                0 => { "No face was found on " (results.frames) " frames." }
                _ => {
                    (all) @if all == 1 { " face was" } @else { " faces were" } " followed over "
                    (format!("{:.2}", results.end)) " s (" (results.frames) " frames): "
                    b { (fake) " called fake" } ", " (real) " called real, " (all - fake - real)
                    " without a verdict."
                }
            }
        }
        @for text in words::standing(results) { p.warn { (text) } }
        @if let Some(text) = words::ending(results) { p.warn { (text) } }
        @if results.not_analysed > 0 {
            p.warn { "On " (results.not_analysed) " frames nobody looked for faces." }
        }
        @if let Some(footer) = &results.footer {
            @for note in &footer.notes { p.warn { (note) } }
        }
        @if !results.unreadable.is_empty() { (unreadable(results)) }
        @if !results.faces.is_empty() { (table(results)) }
    }
}

fn unreadable(results: &Results) -> Markup {
    let lines = &results.unreadable;
    html! {
        p.warn {
            (lines.len()) " lines of the records are damaged and not in this report: "
            @for (n, (line, why)) in lines.iter().take(5).enumerate() {
                @if n > 0 { "; " } "line " (line) ": " (why)
            }
            @if lines.len() > 5 { "; …" }
        }
    }
}

fn table(results: &Results) -> Markup {
    let row = |number: u64, face: &FaceResults| {
        let score = face.said.score.map_or_else(|| "–".to_owned(), |score| format!("{score:.3}"));
        let llr = face.said.llr.filter(|_| results.is_calibrated());
        let ratio = llr.map_or_else(|| "–".to_owned(), |llr| words::number(llr.exp()));
        html! {
            tr {
                th scope="row" { a href={ "#face-" (number) } { "Face " (number) } }
                td.text { span class={ "label " (face.said.label) } { (face.said.label) } }
                td { (score) } td { (ratio) } td { (face.scored().count()) } td { (face.frames) }
                td { (format!("{:.2} to {:.2}", face.first, face.last)) }
            }
        }
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="All faces" {
            table {
                thead { tr {
                    th scope="col" { "Face" } th.text scope="col" { "Verdict" } th scope="col" { "Score" }
                    th scope="col" { "Likelihood ratio" } th scope="col" { "Clips" }
                    th scope="col" { "Frames" } th scope="col" { "Seconds" }
                } }
                tbody { @for (number, face) in &results.faces { (row(*number, face)) } }
            }
        }
    }
}

fn limits(results: &Results) -> Markup {
    html! {
        section {
            h2 { "What this says, and what it does not" }
            ul { @for text in words::LIMITS { li { (text) } } }
            @if let Some(header) = &results.header { (population(header)) }
        }
    }
}

/// By what likelihood ratios and error rates were measured.
fn population(header: &Header) -> Markup {
    let rate = |rate: &Rate| format!("{:.3} ({:.3} to {:.3})", rate.value, rate.low, rate.high);
    html! {
        @for calibration in &header.judging.calibrations {
            @let of = &calibration.population;
            h3 { "Calibration of " (calibration.classifier) }
            p {
                "Likelihood ratios and error rates are those of " (of.real) " real and " (of.fake)
                " forged videos of " (of.name) " (" (of.date) "), and hold for videos like these. In words by the "
                (words::SCALE) "."
            }
            div.scroll tabindex="0" role="region" aria-label={ "Thresholds of " (calibration.classifier) } {
                table {
                    thead { tr {
                        th scope="col" { "Threshold" } th scope="col" { "P(fake)" }
                        th scope="col" { "real videos called fake" } th scope="col" { "fake videos found" }
                    } }
                    tbody { @for point in &calibration.points { tr {
                        th scope="row" { (point.name) } td { (format!("{:.4}", point.threshold)) }
                        td { (rate(&point.fpr)) } td { (rate(&point.tpr)) }
                    } } }
                }
            }
        }
    }
}

fn made_with(results: &Results, header: &Header) -> Markup {
    let Header { input, versions, host, .. } = header;
    let models = [("Detector", Some(&header.detector)), ("Aligner", header.aligner.as_ref())];
    let classifiers = header.classifiers.iter().map(|model| ("Classifier", Some(model)));
    let facts = [
        ("Input", redact(&input.name).into_owned()),
        ("SHA-256 of it", input.sha256.clone().unwrap_or_else(|| "none: a stream".to_owned())),
        ("Bytes", input.bytes.map_or_else(|| "–".to_owned(), |bytes| bytes.to_string())),
        ("Begun", header.wall.start.clone()),
        ("Ended", results.footer.as_ref().map_or_else(String::new, |end| end.wall.end.clone())),
        ("Threshold", threshold(results).map_or_else(|| "none".to_owned(), |t| t.to_string())),
        ("Run by", format!("{} in {}", header.provider, header.precision)),
        ("Software", format!("m2sd {}, {}", versions.m2sd, versions.gstreamer)),
        ("Runtimes", versions.runtimes.join(", ")),
        ("Machine", format!("{}, {} cores, {}, {}", host.cpu, host.cores, host.kernel, host.os)),
    ];
    html! {
        section {
            h2 { "What it was made with" }
            dl {
                @for (name, value) in &facts { dt { (name) } dd { (value) } }
                @for (role, model) in models.into_iter().chain(classifiers) {
                    @if let Some(model) = model { dt { (role) } dd { (described(model)) } }
                }
            }
            details {
                summary { "All settings" }
                dl { @for (name, value) in &header.settings { dt { (name) } dd { (value.to_string()) } } }
            }
        }
    }
}

fn described(model: &ModelFile) -> Markup {
    html! {
        (redact(&model.file)) ", SHA-256 "
        @if model.sha256.is_empty() { "not told" } @else { code { (model.sha256) } }
    }
}

fn again(results: &Results) -> Markup {
    let folder = quoted(&results.folder.display().to_string());
    html! {
        section {
            h2 { "How to check it" }
            p { "Run it again from the same input, networks and settings, and compare:" }
            pre { code { "m2sd reproduce " (folder) } }
            @if results.has_seal {
                p { "The folder is sealed. Whether anything was changed since, and by whose key it was sealed:" }
                pre { code { "m2sd verify " (folder) } }
            } @else {
                p.note { "The folder is not sealed: " code { "m2sd seal " (folder) }
                    " makes later changes visible." }
            }
        }
    }
}
