//! `m2sd models …`.

use std::path::PathBuf;

use clap::Subcommand;
use gstm2sd::models::import::{self, ImportOptions};

use crate::error::CliError;

#[derive(Subcommand)]
pub enum ModelsCommand {
    /// Turn checkpoints or ONNX files into models in the engines folder
    Import {
        /// PyTorch checkpoints (.pt, .pth) or ONNX files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Folder with the models
        #[arg(long, value_name = "DIR", default_value = "engines")]
        engines: PathBuf,
    },
}

pub fn run(command: &ModelsCommand) -> Result<(), CliError> {
    match command {
        ModelsCommand::Import { files, engines } => {
            for file in files {
                let report = import::import(file, engines, &ImportOptions::default())
                    .map_err(CliError::runtime)?;
                println!("{} {} ({})", file.display(), report.model.display(), report.network);
                for name in report.ignored { println!("  ignored {name}"); }
            }
        }
    }
    Ok(())
}
