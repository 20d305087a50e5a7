//! How long engines run: what a service tells of how busy its networks are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cancel::CancelToken;
use super::engine::{Engine, Staged, Stager};
use super::error::InferError;
use super::info::EngineInfo;
use super::outputs::Outputs;
use super::tensor::TensorIn;
use crate::models::ModelSource;

/// Nanoseconds that engines have run, by the model. A leaf lock.
static BUSY: Mutex<Option<HashMap<ModelSource, Arc<AtomicU64>>>> = Mutex::new(None);

/// How long the engines of this model have run in this process; more than the time that passed where
/// several ran. `None`: none was loaded.
pub fn busy_time(model: impl Into<ModelSource>) -> Option<Duration> {
    let busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
    let counted = busy.as_ref()?.get(&canonical(model.into()))?;
    Some(Duration::from_nanos(counted.load(Ordering::Relaxed)))
}

fn canonical(model: ModelSource) -> ModelSource {
    match model {
        ModelSource::File(path) => ModelSource::File(path.canonicalize().unwrap_or(path)),
        remote => remote,
    }
}

/// An engine whose runs are timed.
pub(super) struct Metered {
    engine: Box<dyn Engine>,
    busy: Arc<AtomicU64>,
}

impl Metered {
    pub(super) fn new(engine: Box<dyn Engine>, model: ModelSource) -> Self {
        let mut all = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = Arc::clone(all.get_or_insert_default().entry(canonical(model)).or_default());
        Self { engine, busy }
    }

    fn timed<R>(&mut self, run: impl FnOnce(&mut dyn Engine) -> R) -> R {
        let began = Instant::now();
        let result = run(&mut *self.engine);
        let nanoseconds = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.busy.fetch_add(nanoseconds, Ordering::Relaxed);
        result
    }
}

impl Engine for Metered {
    fn info(&self) -> &EngineInfo {
        self.engine.info()
    }

    fn run(
        &mut self,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        self.timed(|engine| engine.run(inputs, outputs, cancel))
    }

    fn beside(&self) -> Vec<Box<dyn Engine>> {
        let metered = |engine| Box::new(Self { engine, busy: Arc::clone(&self.busy) }) as _;
        self.engine.beside().into_iter().map(metered).collect()
    }

    fn stager(&mut self) -> Option<Box<dyn Stager>> {
        self.engine.stager()
    }

    fn run_staged(
        &mut self,
        staged: Staged,
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        self.timed(|engine| engine.run_staged(staged, outputs, cancel))
    }
}
