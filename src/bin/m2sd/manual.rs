//! Completions and man pages, from the definitions of the commands themselves.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::error::CliError;
use crate::terminal;

#[derive(Args)]
#[command(
    after_help = "bash: m2sd completions bash >~/.local/share/bash-completion/completions/m2sd"
)]
pub struct CompletionsArgs {
    /// The shell that is to complete
    shell: Shell,
}

#[derive(Args)]
pub struct ManArgs {
    /// The folder, such as ~/.local/share/man/man1; made if need be
    dir: PathBuf,
}

/// # Errors
/// When standard output cannot be written.
pub fn completions(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Args::command(), "m2sd", &mut script);
    terminal::print_script(&script)
}

/// # Errors
/// When the folder cannot be made, or a page not written.
pub fn pages(args: &ManArgs) -> Result<(), CliError> {
    let failed =
        |e: std::io::Error| CliError::input(format!("cannot write {}: {e}", args.dir.display()));
    std::fs::create_dir_all(&args.dir).map_err(failed)?;
    clap_mangen::generate_to(crate::Args::command(), &args.dir).map_err(failed)
}
