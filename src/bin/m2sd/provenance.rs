//! `m2sd provenance`: the content credentials of a file.

use std::path::PathBuf;

use clap::Args;
use gstm2sd::evidence::provenance::{Provenance, ProvenanceError, State, TrustList, read};

use crate::error::CliError;
use crate::terminal::{json_line, print_json, print_line};

#[derive(Args)]
pub struct ProvenanceArgs {
    /// A picture, video or sound
    file: PathBuf,
    /// Certificates (PEM) of those whom you believe, or of who issued theirs
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ProvenanceArgs) -> Result<(), CliError> {
    let trust = args.trust.as_deref().map(TrustList::read).transpose().map_err(failure)?;
    let found = read(&args.file, trust.as_ref()).map_err(failure)?;
    if args.json {
        let object = serde_json::to_value(&found).map_err(CliError::input)?;
        print_json(&json_line(&object))?;
    } else {
        lines(&found).iter().try_for_each(|line| print_line(line))?;
    }
    match found.state {
        State::Invalid | State::Unreadable => Err(CliError::Changed(format!(
            "the content credentials of {} are not valid",
            args.file.display()
        ))),
        _ => Ok(()),
    }
}

fn failure(error: ProvenanceError) -> CliError {
    CliError::input(error)
}

/// In one line, for the table of a scan, of whose scores they are no part; `None` where there are none.
pub fn in_short(found: &Provenance) -> Option<String> {
    let state = match found.state {
        State::Absent | State::Unsupported => return None,
        other => state(other),
    };
    let signer = found.signer.as_ref().and_then(|signer| signer.name.as_ref());
    let signer = signer.map_or(String::new(), |name| format!(", signed by {name}"));
    Some(format!("Content credentials, no part of the scores: {state}{signer}."))
}

/// In words.
fn lines(found: &Provenance) -> Vec<String> {
    let mut lines = vec![format!("content credentials: {}", state(found.state))];
    lines.extend(found.problems.iter().map(|problem| format!("  {problem}")));
    lines.extend(found.address.iter().map(|address| format!("  at {address}")));
    if let Some(signer) = &found.signer {
        let unnamed = || "a certificate without a name".to_owned();
        let mut line = format!("signed by {}", signer.name.clone().unwrap_or_else(unnamed));
        let facts = [("of ", &signer.organisation), ("at ", &signer.time)];
        for (word, fact) in facts {
            line.extend(fact.iter().map(|fact| format!(", {word}{fact}")));
        }
        line.push_str(match signer.trusted {
            Some(true) => ", whom you trust",
            Some(false) => ", whom NOBODY in --trust vouches for",
            None => ", for whom nobody vouched here; --trust names who does",
        });
        lines.push(line);
    }
    lines.extend(found.claim_generator.iter().map(|name| format!("written by {name}")));
    for action in &found.actions {
        let mut line = format!("  {}", action.action);
        let facts = [&action.when, &action.software, &action.source_type, &action.description];
        line.extend(facts.into_iter().flatten().map(|fact| format!(", {fact}")));
        lines.push(line);
    }
    for ingredient in &found.ingredients {
        let title = ingredient.title.as_deref().unwrap_or("something without a title");
        lines.push(format!("  made of {title} ({})", ingredient.relationship));
        lines.extend(ingredient.problems.iter().map(|problem| format!("    {problem}")));
    }
    lines
}

fn state(state: State) -> &'static str {
    match state {
        State::Absent => "none, which says nothing of the file",
        State::Elsewhere => "elsewhere, and not looked for",
        State::Unsupported => "none can be read of this kind of file",
        State::Unreadable => "there, but not readable",
        State::Invalid => {
            "NOT VALID: the file or they were changed since, or they never were right"
        }
        State::Valid => "valid: the file is as it was signed",
        State::Trusted => "valid and trusted: the file is as somebody signed it whom you trust",
        _ => "of a kind that this command does not know",
    }
}
