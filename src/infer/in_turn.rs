//! One engine that several streams run in turn.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::cancel::{CancelToken, Hook};
use super::engine::Engine;
use super::error::InferError;
use super::info::EngineInfo;
use super::outputs::Outputs;
use super::tensor::TensorIn;

/// An engine and its turns.
pub(super) struct InTurn {
    info: EngineInfo,
    /// `None` during a run.
    ///
    /// Lock order: a leaf, held for a look or a move, never for a run. A [`CancelToken`]'s hooks
    /// take it, so no token's is taken under it.
    engine: Mutex<Option<Box<dyn Engine>>>,
    back: Condvar,
}

impl InTurn {
    pub(super) fn new(engine: Box<dyn Engine>) -> Arc<Self> {
        let info = engine.info().clone();
        Arc::new(Self { info, engine: Mutex::new(Some(engine)), back: Condvar::new() })
    }

    fn engine(&self) -> MutexGuard<'_, Option<Box<dyn Engine>>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has all who wait look again. Under the lock, as one who is about to wait would miss it.
    fn wake(&self) {
        let _engine = self.engine();
        self.back.notify_all();
    }

    /// Waits for the run of another stream, however long that takes, unless cancelled; `wake` calls
    /// [`Self::wake`].
    fn turn(self: &Arc<Self>, wake: &Hook, cancel: &CancelToken) -> Result<Turn, InferError> {
        let _registered = cancel.on_cancel_call(Arc::clone(wake))?;
        let away = |engine: &mut Option<_>| engine.is_none() && !cancel.is_cancelled();
        let engine = self.back.wait_while(self.engine(), away);
        let mut engine = engine.unwrap_or_else(PoisonError::into_inner);
        let taken = if cancel.is_cancelled() { None } else { engine.take() };
        let engine = Some(taken.ok_or(InferError::Cancelled)?);
        Ok(Turn { place: Arc::clone(self), engine })
    }
}

/// The engine, until it is given back, also by a run that panics.
struct Turn {
    place: Arc<InTurn>,
    engine: Option<Box<dyn Engine>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.place.engine() = self.engine.take();
        // All: one that is cancelled would keep the word to itself.
        self.place.back.notify_all();
    }
}

/// A user's handle of an engine that others may use too.
pub(super) struct SharedEngine {
    place: Arc<InTurn>,
    wake: Hook,
}

impl SharedEngine {
    pub(super) fn new(place: Arc<InTurn>) -> Self {
        let waiting = Arc::clone(&place);
        Self { place, wake: Arc::new(move || waiting.wake()) }
    }
}

impl Engine for SharedEngine {
    fn info(&self) -> &EngineInfo {
        &self.place.info
    }

    fn run(
        &mut self,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        let mut turn = self.place.turn(&self.wake, cancel)?;
        // A run that panicked has left nothing behind that the next one would read.
        turn.engine.as_mut().ok_or(InferError::Cancelled)?.run(inputs, outputs, cancel)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::infer::{Precision, Provider};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Runs until it is told how to end.
    struct Slow {
        info: EngineInfo,
        began: Sender<()>,
        end: Receiver<Result<(), InferError>>,
    }

    impl Engine for Slow {
        fn info(&self) -> &EngineInfo {
            &self.info
        }

        fn run(
            &mut self,
            _: &[TensorIn<'_>],
            _: &mut Outputs,
            _: &CancelToken,
        ) -> Result<(), InferError> {
            self.began.send(()).unwrap();
            self.end.recv_timeout(PATIENCE).expect("asked to panic")
        }
    }

    fn slow() -> (Arc<InTurn>, Receiver<()>, Sender<Result<(), InferError>>) {
        let ((began, has_begun), (tell, end)) = (channel(), channel());
        let info = EngineInfo {
            model: "slow".to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            largest_batch: None,
            provider: Provider::Cpu,
            precision: Precision::Auto,
            assigned: Vec::new(),
            runtime: "none".to_owned(),
            passed_over: Vec::new(),
        };
        (InTurn::new(Box::new(Slow { info, began, end })), has_begun, tell)
    }

    fn run(engine: &Arc<InTurn>, cancel: &CancelToken) -> Result<(), InferError> {
        SharedEngine::new(Arc::clone(engine)).run(&[], &mut Outputs::default(), cancel)
    }

    #[test]
    fn who_waits_for_another_stream_s_run_can_be_cancelled() {
        let (engine, has_begun, tell) = slow();
        let cancel = CancelToken::new();
        thread::scope(|scope| {
            let first = scope.spawn(|| run(&engine, &CancelToken::new()));
            has_begun.recv_timeout(PATIENCE).unwrap();
            // What the engine is can be asked meanwhile.
            assert_eq!(SharedEngine::new(Arc::clone(&engine)).info().model, "slow");
            let second = scope.spawn(|| run(&engine, &cancel));
            let third = scope.spawn(|| run(&engine, &CancelToken::new()));
            cancel.cancel();
            assert!(matches!(second.join().unwrap(), Err(InferError::Cancelled)));
            assert!(!first.is_finished() && !third.is_finished());
            tell.send(Ok(())).unwrap();
            tell.send(Ok(())).unwrap();
            assert!(first.join().unwrap().is_ok() && third.join().unwrap().is_ok());
        });
    }

    #[test]
    fn a_run_that_panics_gives_the_engine_back() {
        let (engine, has_begun, tell) = slow();
        // Without anyone who could tell it how to end, it panics.
        let panicked = thread::scope(|scope| {
            let run = scope.spawn(|| run(&engine, &CancelToken::new()));
            has_begun.recv_timeout(PATIENCE).unwrap();
            drop(tell);
            run.join().is_err()
        });
        assert!(panicked);
        let engine = engine.engine();
        assert!(engine.is_some());
    }
}
