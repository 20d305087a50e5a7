//! A classifier that answers as a test says, lent to the element.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use gstm2sd::core::modelinfo::ModelInfo;
use gstm2sd::infer::{
    CancelToken, Classifier, ElementType, Engine, EngineInfo, EngineOptions, InferError, Outputs,
    Pool, PoolOptions, Precision, Provider, TensorIn, TensorInfo, lend_classifier,
};
use gstm2sd::models::synth::{Synth, write};
use ndarray::Array2;

use super::support::{T, filter};

pub type Answer = Box<dyn FnMut(&CancelToken) -> Result<f32, InferError> + Send>;

/// A classifier whose logit for "fake" a test decides, clip by clip.
struct Scripted {
    info: EngineInfo,
    answer: Answer,
}

impl Engine for Scripted {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn run(
        &mut self,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        assert_eq!(inputs.len(), 1);
        let logit = (self.answer)(cancel)?;
        *outputs = Array2::from_shape_vec((1, 2), vec![logit, 0.0]).unwrap().into();
        Ok(())
    }
}

fn tensor(name: &str, dims: &[usize]) -> TensorInfo {
    let dims = dims.iter().map(|d| Some(*d)).collect();
    TensorInfo { name: name.into(), dims, element: ElementType::F32 }
}

/// The element with a scripted classifier. The folder and the pool must live as long.
pub fn scripted(
    answer: impl FnMut(&CancelToken) -> Result<f32, InferError> + Send + 'static,
) -> (gst::Element, tempfile::TempDir, Arc<Pool>) {
    scripted_with(answer, |_| ())
}

/// As [`scripted`], with another sidecar than the analytic classifier's.
pub fn scripted_with(
    answer: impl FnMut(&CancelToken) -> Result<f32, InferError> + Send + 'static,
    change: impl FnOnce(&mut ModelInfo),
) -> (gst::Element, tempfile::TempDir, Arc<Pool>) {
    let dir = tempfile::tempdir().unwrap();
    let element = filter(dir.path());
    let pool = lend(dir.path(), Box::new(answer), change);
    (element, dir, pool)
}

fn lend(dir: &Path, answer: Answer, change: impl FnOnce(&mut ModelInfo)) -> Arc<Pool> {
    for network in Synth::analytic() {
        write(&network, dir).unwrap();
    }
    let model = dir.join("analytic_classifier.onnx");
    let mut sidecar = ModelInfo::beside(&model).unwrap();
    change(&mut sidecar);
    let mut beside = model.clone().into_os_string();
    beside.push(".modelinfo");
    std::fs::write(beside, sidecar.to_sidecar().unwrap()).unwrap();
    let info = EngineInfo {
        model: "scripted".into(),
        inputs: vec![tensor("clip", &[1, 3, T, 32, 32])],
        outputs: vec![tensor("logits", &[1, 2])],
        largest_batch: None,
        provider: Provider::Cpu,
        precision: Precision::Auto,
        assigned: Vec::new(),
        runtime: "none".into(),
        passed_over: Vec::new(),
    };
    let engine = Box::new(Scripted { info, answer });
    let classifier = Classifier::from_engine(engine, &sidecar).unwrap();
    // What the element asks for by default.
    let batch_timeout = Duration::from_millis(10);
    let options = PoolOptions { queue: 2, batch_size: 1, batch_timeout };
    let asked = EngineOptions { provider: Provider::Cpu, threads: 1, ..EngineOptions::default() };
    let pool = Pool::new(classifier, options).unwrap();
    lend_classifier(&model, &asked, options, &pool).expect("nobody else uses this file");
    pool
}

/// An answer that waits for the test's word, or for the run to be cancelled.
pub fn gated() -> (Sender<()>, impl FnMut(&CancelToken) -> Result<f32, InferError> + Send + 'static)
{
    let (open, gate): (Sender<()>, Receiver<()>) = channel();
    let answer = move |cancel: &CancelToken| {
        loop {
            match gate.recv_timeout(Duration::from_millis(5)) {
                Ok(()) => return Ok(1.0),
                Err(_) if cancel.is_cancelled() => return Err(InferError::Cancelled),
                Err(_) => {}
            }
        }
    };
    (open, answer)
}
