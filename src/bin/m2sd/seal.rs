//! `m2sd seal`: says who vouches for a folder of results as it is now.

use std::path::PathBuf;

use clap::Args;
use gstm2sd::core::counted::counted;
use gstm2sd::evidence::seal::{SealRequest, seal};
use gstm2sd::evidence::timestamp::Authority;

use crate::error::CliError;
use crate::key::{failure, signing_key};
use crate::terminal::{note, print_line};

#[derive(Args)]
pub struct SealArgs {
    /// The folder with the results
    folder: PathBuf,
    /// A private Ed25519 key of OpenSSH's or in PEM; M2SD_KEY_PASSPHRASE opens an encrypted one
    /// [default: that of `m2sd key new`]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Ask this authority (RFC 3161, http or https) for a time stamp; only a hash is sent there
    #[arg(long, value_name = "URL")]
    tsa: Option<String>,
    /// Replace the seal that is there; what it proves is then lost
    #[arg(long)]
    force: bool,
}

pub fn run(args: &SealArgs) -> Result<(), CliError> {
    let key = signing_key(args.key.as_deref())?;
    let authority = args.tsa.as_ref().map(Authority::new);
    let mut request = SealRequest::new(&args.folder, &key).replacing(args.force);
    if let Some(authority) = &authority {
        request = request.with_timestamp(authority);
    }
    let sealed = seal(&request).map_err(failure)?;
    let manifest = &sealed.manifest;
    for partial in &manifest.partial {
        note(&format!("m2sd: {partial}; the seal says so"));
    }
    for link in &manifest.links {
        note(&format!("m2sd: {} is a link; what it leads to is not sealed", link.path));
    }
    for skipped in &manifest.skipped {
        note(&format!("m2sd: {} is a {} and has no content to seal", skipped.path, skipped.kind));
    }
    let records: usize = manifest.records.iter().map(|records| records.chain.len()).sum();
    let time = if sealed.timestamped { "with a time stamp" } else { "by this machine's clock" };
    print_line(&format!(
        "{}: {}, {}, sealed {} {time}, by {}",
        sealed.path.display(),
        counted(manifest.files.len(), "file"),
        counted(records, "record"),
        manifest.sealed_at,
        key.public().fingerprint()
    ))
}
