use clap::Args;
use crate::error::CliError;
#[derive(Args)]
pub struct SynthVideoArgs {}
pub fn run(_: &SynthVideoArgs) -> Result<(), CliError> { Ok(()) }
