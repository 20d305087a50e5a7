//! A classifier that is slow, stuck or failing, and what that costs the stream.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use gst::prelude::*;
use gstm2sd::core::modelinfo::ModelInfo;
use gstm2sd::infer::{
    CancelToken, Classifier, ElementType, Engine, EngineInfo, EngineOptions, InferError, Pool,
    PoolOptions, Precision, Provider, TensorIn, TensorInfo, lend_classifier,
};
use gstm2sd::models::synth::{Synth, write};
use ndarray::{Array2, ArrayD};

use super::picture::{Picture, face, found, one_face};
use super::support::{Rig, T, filter};

type Answer = Box<dyn FnMut(&CancelToken) -> Result<f32, InferError> + Send>;

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
        cancel: &CancelToken,
    ) -> Result<Vec<ArrayD<f32>>, InferError> {
        assert_eq!(inputs.len(), 1);
        let logit = (self.answer)(cancel)?;
        Ok(vec![Array2::from_shape_vec((1, 2), vec![logit, 0.0]).unwrap().into_dyn()])
    }
}

fn tensor(name: &str, dims: &[usize]) -> TensorInfo {
    let dims = dims.iter().map(|d| Some(*d)).collect();
    TensorInfo { name: name.into(), dims, element: ElementType::F32 }
}

/// The element with a scripted classifier. The folder and the pool must live as long.
fn scripted(
    answer: impl FnMut(&CancelToken) -> Result<f32, InferError> + Send + 'static,
) -> (gst::Element, tempfile::TempDir, Arc<Pool>) {
    let dir = tempfile::tempdir().unwrap();
    let element = filter(dir.path());
    let pool = lend(dir.path(), Box::new(answer));
    (element, dir, pool)
}

fn lend(dir: &Path, answer: Answer) -> Arc<Pool> {
    for network in Synth::analytic() {
        write(&network, dir).unwrap();
    }
    let info = EngineInfo {
        model: "scripted".into(),
        inputs: vec![tensor("clip", &[1, 3, T, 32, 32])],
        outputs: vec![tensor("logits", &[1, 2])],
        provider: Provider::Cpu,
        precision: Precision::Auto,
        assigned: Vec::new(),
        runtime: "none".into(),
        passed_over: Vec::new(),
    };
    let engine = Box::new(Scripted { info, answer });
    let classifier = Classifier::from_engine(engine, &ModelInfo::default()).unwrap();
    // What the element asks for by default.
    let batch_timeout = Duration::from_millis(10);
    let options = PoolOptions { queue: 2, batch_size: 1, batch_timeout };
    let asked = EngineOptions { provider: Provider::Cpu, threads: 1, ..EngineOptions::default() };
    let pool = Pool::new(classifier, options).unwrap();
    let model = dir.join("analytic_classifier.onnx");
    lend_classifier(&model, &asked, options, &pool).expect("nobody else uses this file");
    pool
}

/// An answer that waits for the test's word, or for the run to be cancelled.
fn gated() -> (Sender<()>, impl FnMut(&CancelToken) -> Result<f32, InferError> + Send + 'static) {
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

fn two_faces() -> Picture {
    Picture::new(160, 120, &[face(8, 8, 40, 90), face(100, 60, 48, 30)])
}

/// Pushes a frame in live mode and takes it out again.
fn pass(rig: &mut Rig, picture: &Picture) -> gst::Buffer {
    rig.push(picture, &picture.rgb_info());
    rig.pull()
}

fn label(buffer: &gst::Buffer) -> Option<String> {
    found(buffer).first().map(|face| face.label())
}

#[test]
fn a_stuck_classifier_holds_up_no_live_frame() {
    let (open, answer) = gated();
    let (element, _dir, _pool) = scripted(answer);
    element.set_property_from_str("mode", "live");
    element.set_property("clip-stride", 1u32);
    let mut rig = Rig::new(element);
    let picture = one_face(90);
    rig.caps(&picture.rgb_info());
    rig.await_engines(&picture);
    for _ in 0..500 {
        // Each frame comes out although none of its clips ever will.
        let buffer = pass(&mut rig, &picture);
        assert_ne!(label(&buffer).as_deref(), Some("fake"));
    }
    let stats: gst::Structure = rig.element.property("stats");
    assert_eq!(stats.get("clips-scored"), Ok(0u64));
    assert!(stats.get::<u64>("clips-skipped").unwrap() > 400, "{stats}");
    assert!(stats.get::<u64>("clips-waiting").unwrap() <= 4, "what waits is bounded: {stats}");
    drop(open);
}

#[test]
fn live_faces_share_a_slow_classifier_evenly() {
    let (open, answer) = gated();
    let (element, _dir, _pool) = scripted(answer);
    element.set_property_from_str("mode", "live");
    element.set_property("clip-stride", 1u32);
    element.set_property("detect-interval", 1u32);
    let mut rig = Rig::new(element);
    let picture = two_faces();
    rig.caps(&picture.rgb_info());
    rig.await_engines(&picture);
    for round in 1..=20u64 {
        (0..6).for_each(|_| drop(pass(&mut rig, &picture)));
        open.send(()).unwrap();
        rig.await_stat("clips-scored", round);
    }
    let mut shares = [0u32; 2];
    while let Some(message) = rig.bus.pop_filtered(&[gst::MessageType::Element]) {
        let clip = message.structure().filter(|s| s.name() == "m2sd-clip");
        if let Some(track) = clip.and_then(|clip| clip.get::<u64>("track").ok()) {
            shares[track as usize] += 1;
        }
    }
    assert_eq!(shares[0] + shares[1], 20);
    assert!(shares[0].abs_diff(shares[1]) <= 2, "{shares:?}");
    // Six frames a clip and two faces: each face gets one in about twelve frames.
    let stats: gst::Structure = rig.element.property("stats");
    let tracks: gst::Array = stats.get("tracks").unwrap();
    assert_eq!(tracks.len(), 2, "{stats}");
}

#[test]
fn a_failing_classifier_costs_scores_not_frames_and_is_tried_again() {
    let works = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&works);
    let (element, _dir, _pool) = scripted(move |_| {
        let failed = InferError::RunFailed { provider: Provider::Cpu, reason: "scripted".into() };
        if switch.load(Ordering::Relaxed) { Ok(2.0) } else { Err(failed) }
    });
    element.set_property_from_str("mode", "live");
    let mut rig = Rig::new(element);
    let picture = one_face(90);
    rig.caps(&picture.rgb_info());
    let warned = loop {
        pass(&mut rig, &picture);
        if let Some(message) = rig.bus.pop_filtered(&[gst::MessageType::Warning]) {
            break message;
        }
    };
    let gst::MessageView::Warning(warning) = warned.view() else { panic!("{warned:?}") };
    let text = warning.error().to_string();
    assert!(text.contains("scripted") && text.contains("next try"), "{text}");

    works.store(true, Ordering::Relaxed);
    while label(&pass(&mut rig, &picture)).as_deref() != Some("fake") {
        std::thread::yield_now();
    }
    assert_eq!(rig.errors(), [""; 0]);
}

#[test]
fn on_error_fail_stops_the_stream() {
    let (element, _dir, _pool) = scripted(|_| {
        Err(InferError::RunFailed { provider: Provider::Cpu, reason: "scripted".into() })
    });
    element.set_property_from_str("on-error", "fail");
    let mut rig = Rig::new(element);
    let picture = one_face(90);
    let info = picture.rgb_info();
    rig.caps(&info);
    while rig.harness.push(picture.buffer(&info, rig.next)).is_ok() {
        rig.next += 1;
    }
    assert!(rig.await_error().contains("scripted"));
}
