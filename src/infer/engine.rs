//! What runs a network.

use super::cancel::CancelToken;
use super::error::InferError;
use super::info::EngineInfo;
use super::outputs::Outputs;
use super::pieces::Pieces;
use super::tensor::TensorIn;

/// One network, loaded and ready.
pub trait Engine: Send {
    /// What it takes and gives, and who runs it.
    fn info(&self) -> &EngineInfo;

    /// Runs once, with `inputs` in the order of [`EngineInfo::inputs`]; what comes out goes to
    /// `outputs`, which after an error may hold anything.
    ///
    /// # Errors
    /// [`InferError::Cancelled`] when `cancel` is or becomes cancelled: at once before the run,
    /// during it as soon as the provider can stop, which for one that compiled the network into
    /// a single step is its end.
    fn run(
        &mut self,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError>;

    /// Further engines of the same network that may run beside this one, each on a thread of its own:
    /// where runs wait for something else than this machine's processor. None unless it says so.
    fn beside(&self) -> Vec<Box<dyn Engine>> {
        Vec::new()
    }

    /// The half that copies inputs to a device's own memory. `None` for an engine that reads the
    /// host's, as nothing is won there.
    fn stager(&mut self) -> Option<Box<dyn Stager>> {
        None
    }

    /// As [`Self::run`], on inputs that this engine's [`Self::stager`] has staged.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn run_staged(
        &mut self,
        staged: Staged,
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        let _ = (staged, outputs, cancel);
        let reason = "it stages nothing".to_owned();
        Err(InferError::RunFailed { provider: self.info().provider, reason })
    }
}

/// Copies inputs to a device while the engine runs on others there.
pub trait Stager: Send {
    /// Copies the inputs of one run, which lie on the device when it returns. There are
    /// [`Staged::SLOTS`] places, taken in turn: one for the run in progress, one for the next.
    ///
    /// # Errors
    /// [`InferError::RunFailed`] when the device refuses.
    fn stage(&mut self, inputs: &[Pieces<'_>]) -> Result<Staged, InferError>;
}

/// Inputs of a run that wait on a device.
#[derive(Debug, PartialEq, Eq)]
pub struct Staged {
    /// Which of the places they are in.
    pub slot: usize,
}

impl Staged {
    /// Places for staged inputs.
    pub const SLOTS: usize = 2;
}
