//! What the input says of where it comes from, apart from any score.

use maud::{Markup, html};

use crate::evidence::provenance::{Action, Provenance, State};

/// In a sentence.
fn sentence(provenance: &Provenance) -> &'static str {
    match provenance.state {
        State::Absent => "The file has no content credentials (C2PA), which says nothing of it.",
        State::Elsewhere => {
            "The file says that its content credentials are elsewhere; nobody looked there."
        }
        State::Unsupported => "Of this kind of file no content credentials can be read.",
        State::Unreadable => "The file has content credentials that cannot be read.",
        State::Invalid => {
            "The file has content credentials that do not fit it: it or they were changed since it was \
             signed, or they never were right."
        }
        State::Valid => {
            "The file is as it was signed. Who signed it, nobody who was named as trusted vouches for."
        }
        State::Trusted => {
            "The file is as it was signed, by somebody for whom a certificate that was named vouches."
        }
    }
}

pub(super) fn section(provenance: &Provenance) -> Markup {
    let signer = provenance.signer.as_ref();
    let names = signer.map(|signer| {
        let names = [&signer.name, &signer.organisation];
        names.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
    });
    html! {
        section {
            h2 { "Where the file says that it comes from" }
            p { (sentence(provenance)) " This is no part of any score." }
            @if !provenance.problems.is_empty() {
                ul { @for problem in &provenance.problems { li { (problem) } } }
            }
            dl {
                @if let Some(names) = &names { dt { "Signed by" } dd { (names) } }
                @if let Some(time) = signer.and_then(|signer| signer.time.as_ref()) {
                    dt { "Signed at" } dd { (time) }
                }
                @if let Some(program) = &provenance.claim_generator { dt { "Written by" } dd { (program) } }
                @if let Some(address) = &provenance.address { dt { "Credentials are at" } dd { (address) } }
            }
            @if !provenance.actions.is_empty() {
                h3 { "What was done to it, by the signer's word" }
                ul { @for action in &provenance.actions { li { (done(action)) } } }
            }
        }
    }
}

fn done(action: &Action) -> String {
    let more = [&action.description, &action.software, &action.source_type, &action.when];
    let more: Vec<_> = more.into_iter().flatten().map(String::as_str).collect();
    if more.is_empty() {
        return action.action.clone();
    }
    format!("{}: {}", action.action, more.join(", "))
}
