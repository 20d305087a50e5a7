//! What the input says of where it comes from, apart from any score.

use super::document::{Block, Section, plain};
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

pub(super) fn section(provenance: &Provenance) -> Section {
    let text = format!("{} This is no part of any score.", sentence(provenance));
    let mut blocks = vec![Block::Paragraph(plain(text))];
    if !provenance.problems.is_empty() {
        blocks.push(Block::List(provenance.problems.iter().map(plain).collect()));
    }
    let signer = provenance.signer.as_ref();
    let names = signer.map(|signer| {
        let names = [&signer.name, &signer.organisation];
        names.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
    });
    let facts = [
        ("Signed by", names),
        ("Signed at", signer.and_then(|signer| signer.time.clone())),
        ("Written by", provenance.claim_generator.clone()),
        ("Credentials are at", provenance.address.clone()),
    ];
    let facts =
        facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), plain(value?))));
    let facts: Vec<_> = facts.collect();
    if !facts.is_empty() {
        blocks.push(Block::Facts(facts));
    }
    if !provenance.actions.is_empty() {
        blocks.push(Block::Heading("What was done to it, by the signer's word".to_owned()));
        blocks.push(Block::List(provenance.actions.iter().map(|done| plain(told(done))).collect()));
    }
    let heading = plain("Where the file says that it comes from");
    Section { id: "origin".to_owned(), heading, blocks }
}

fn told(action: &Action) -> String {
    let more = [&action.description, &action.software, &action.source_type, &action.when];
    let more: Vec<_> = more.into_iter().flatten().map(String::as_str).collect();
    if more.is_empty() {
        return action.action.clone();
    }
    format!("{}: {}", action.action, more.join(", "))
}
