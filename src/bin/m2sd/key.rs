//! `m2sd key`: keys to seal with.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use gstm2sd::evidence::seal::{
    PASSPHRASE_VARIABLE, PublicKey, SealError, SigningKey, is_open_to_others,
};
use gstm2sd::models::folders::config_home;

use crate::error::CliError;
use crate::terminal::{note, print_line};

#[derive(Subcommand)]
pub enum KeyCommand {
    /// Make a key to seal with, for you alone to read, and its public half beside it
    New(NewArgs),
    /// Show the public key and its fingerprint, of a private or a public key
    Show(ShowArgs),
}

#[derive(Args)]
pub struct NewArgs {
    /// Where to; never overwrites [default: m2sd/seal-key.pem in the user's configuration]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
pub struct ShowArgs {
    /// A key as OpenSSH or PEM has it [default: as of `new`]
    file: Option<PathBuf>,
}

pub fn run(command: &KeyCommand) -> Result<(), CliError> {
    match command {
        KeyCommand::New(args) => new(args),
        KeyCommand::Show(args) => show(args),
    }
}

fn new(args: &NewArgs) -> Result<(), CliError> {
    let path = or_default(args.out.as_deref())?;
    let key = SigningKey::generate().map_err(failure)?;
    let public = key.write_new(&path).map_err(failure)?;
    print_line(&format!(
        "{}: the private key; keep it secret, and keep a copy\n{}: the public key; give it to whoever \
         is to verify your seals\n{}",
        path.display(),
        public.display(),
        key.public().fingerprint()
    ))
}

fn show(args: &ShowArgs) -> Result<(), CliError> {
    let path = or_default(args.file.as_deref())?;
    let public = match PublicKey::read(&path) {
        Ok(public) => public,
        // Perhaps a private one.
        Err(SealError::Key { .. }) => private(&path)?.public(),
        Err(error) => return Err(failure(error)),
    };
    print_line(&format!("{public}\n{}", public.fingerprint()))
}

/// The file that was named, else where a user's key is.
fn or_default(named: Option<&Path>) -> Result<PathBuf, CliError> {
    let default = || config_home().map(|folder| folder.join("m2sd/seal-key.pem"));
    named.map(Path::to_owned).or_else(default).ok_or_else(|| {
        CliError::usage("there is no home folder to keep a key in; name a file for it")
    })
}

/// The private key to seal with: of the file that was named, else the user's own.
pub fn signing_key(named: Option<&Path>) -> Result<SigningKey, CliError> {
    let path = or_default(named)?;
    if named.is_none() && !path.exists() {
        return Err(CliError::usage(format!(
            "there is no key at {}: make one with `m2sd key new`, or name another with --key",
            path.display()
        )));
    }
    if is_open_to_others(&path) {
        note(&format!(
            "m2sd: others than its owner may read the private key {}; `chmod 600` changes that",
            path.display()
        ));
    }
    private(&path)
}

fn private(path: &Path) -> Result<SigningKey, CliError> {
    let phrase = std::env::var(PASSPHRASE_VARIABLE).ok();
    SigningKey::read(path, phrase.as_deref()).map_err(failure)
}

/// As exit codes tell failures of sealing apart.
pub fn failure(error: SealError) -> CliError {
    match error {
        SealError::Unsealed { .. } => CliError::Unsealed(error.to_string()),
        SealError::Sealed(_) | SealError::KeyExists(_) => CliError::usage(error),
        SealError::Timestamp(_) => CliError::Runtime(format!(
            "{error}. Nothing is sealed: try again, name another authority with --tsa, or seal without one"
        )),
        _ => CliError::input(error),
    }
}
