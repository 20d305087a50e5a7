//! `m2sd verify`: whether a folder of results is as it was sealed, and by whose key.

use std::path::PathBuf;

use clap::Args;
use gstm2sd::core::counted::counted;
use gstm2sd::evidence::seal::{SealFacts, Trust, Trusted, Verification, verify};
use gstm2sd::evidence::timestamp::{Roots, Vouched};

use crate::error::CliError;
use crate::key::failure;
use crate::terminal::{Page, Tone, escape_name, json_line, print_json, print_page};

#[derive(Args)]
pub struct VerifyArgs {
    /// The folder that was sealed
    folder: PathBuf,
    /// The public key that you expect: its file, or its fingerprint SHA256:…
    #[arg(long, value_name = "PUBLIC")]
    key: Option<String>,
    /// The keys that you believe, one a line, as in OpenSSH's authorized_keys or allowed_signers
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Certificates (PEM) that vouch for the authority of the time stamp
    #[arg(long, value_name = "FILE")]
    tsa_ca: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &VerifyArgs) -> Result<(), CliError> {
    let mut trusted = match &args.key {
        None => Trusted::nobody(),
        Some(name) => Trusted::of_name(name).map_err(failure)?,
    };
    if let Some(list) = &args.trust {
        trusted = trusted.and_listed(list).map_err(failure)?;
    }
    if let Some(file) = &args.tsa_ca {
        trusted = trusted.with_authorities(Roots::read(file).map_err(CliError::input)?);
    }
    let found = verify(&args.folder, &trusted).map_err(failure)?;
    if args.json {
        let object = serde_json::to_value(&found).map_err(CliError::input)?;
        print_json(&json_line(&object))?;
    } else {
        print_page(&page(&found))?;
    }
    outcome(args, &found)
}

fn outcome(args: &VerifyArgs, found: &Verification) -> Result<(), CliError> {
    let folder = args.folder.display();
    match (found.findings.len(), &found.seal) {
        (0, Some(SealFacts { timestamp: Some(stamp), .. }))
            if matches!(stamp.vouched, Vouched::No { .. }) =>
        {
            Err(CliError::Unvouched(format!(
                "{folder} is as it was sealed, but nobody in --tsa-ca vouches for the time stamp"
            )))
        }
        (0, Some(seal)) => match seal.trust {
            Trust::Named | Trust::Listed { .. } => Ok(()),
            Trust::Unknown => Err(CliError::Unvouched(format!(
                "{folder} is as it was sealed, but nobody vouched here for the key; name it with --key \
                 or --trust"
            ))),
            Trust::Other => Err(CliError::Unvouched(format!(
                "{folder} is as it was sealed, but by another key than you named"
            ))),
        },
        (count, _) => Err(CliError::Changed(format!(
            "{folder} is not as it was sealed: {count} {}",
            if count == 1 { "difference" } else { "differences" }
        ))),
    }
}

fn page(found: &Verification) -> Page {
    let mut page = Page::default();
    for finding in &found.findings {
        page.item("! ", Tone::Bad, finding.to_string());
    }
    if let Some(seal) = &found.seal {
        tell_seal(&mut page, seal);
    }
    page.text("not checked:");
    found.not_checked.iter().for_each(|what| page.item("  ", Tone::Plain, what));
    page
}

fn tell_seal(page: &mut Page, seal: &SealFacts) {
    let vouched = match &seal.trust {
        Trust::Named => "the key that you named".to_owned(),
        Trust::Listed { name } if name.is_empty() => "a key that you trust".to_owned(),
        Trust::Listed { name } => format!("a key that you trust: {name}"),
        Trust::Other => "NOT a key that you named".to_owned(),
        Trust::Unknown => "which nobody vouched for here".to_owned(),
    };
    page.text(escape_name(&format!("signed by {}, {vouched}", seal.fingerprint)));
    page.text(format!("sealed at {} (the time {})", seal.sealed_at, seal.clock));
    if let Some(stamp) = &seal.timestamp {
        let vouched = match &stamp.vouched {
            Vouched::Yes => "for whom a certificate that you named vouches".to_owned(),
            Vouched::No { why } => format!("for whom NO certificate that you named vouches: {why}"),
            Vouched::NotChecked => {
                "for whom nobody vouched here; --tsa-ca names who does".to_owned()
            }
        };
        let (time, authority) = (stamp.time, &stamp.authority);
        let text = format!("the seal was there at {time}, says {authority}, {vouched}");
        page.text(escape_name(&text));
    }
    page.text(format!(
        "{} with {}, {}, by {}",
        counted(seal.files, "file"),
        counted(seal.bytes, "byte"),
        counted(seal.records, "record"),
        seal.made_by
    ));
    for what in &seal.partial {
        page.item("not whole when sealed: ", Tone::Plain, what);
    }
}
