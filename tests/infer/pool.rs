//! The pool: order, fairness, batches, flushes and ends.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use gstm2sd::core::modelinfo::ModelInfo;
use gstm2sd::infer::{
    ABANDON_AFTER, CancelToken, Classifier, ClipJob, EngineOptions, InferError, Pool, PoolOptions,
    Provider, Refused, Scored, Shapes, Submitter, settle, shared_classifier,
};
use ndarray::{Array2, Array4};

use crate::common::{Fake, floats, on, shared, tensor};

const PATIENCE: Duration = Duration::from_secs(20);

/// How the next run ends.
enum Step {
    /// Answers each clip with its first pixel as both logits' difference.
    Answer,
    /// Waits until it is cancelled.
    Hang,
    Panic,
}

struct Rig {
    pool: std::sync::Arc<Pool>,
    /// One step lets one run go on.
    steps: Sender<Step>,
    /// The first pixels of each run that began.
    began: Receiver<Vec<f32>>,
}

fn rig(options: PoolOptions) -> Rig {
    let (steps, next_step) = channel();
    let (begin, began) = channel();
    let inputs = vec![tensor("clip", &[-1, 3, 1, 2, 2])];
    let engine = Fake::boxed(inputs, vec![tensor("logits", &[-1, 2])], move |inputs, cancel| {
        let clips = inputs[0].shape()[0];
        let pixels: Vec<_> = (0..clips).map(|n| floats(&inputs[0])[[n, 0, 0, 0, 0]]).collect();
        begin.send(pixels.clone()).unwrap();
        match next_step.recv_timeout(PATIENCE).unwrap() {
            Step::Answer => {
                let logits =
                    Array2::from_shape_fn(
                        (clips, 2),
                        |(n, class)| {
                            if class == 0 { pixels[n] } else { 0.0 }
                        },
                    );
                Ok(vec![logits.into_dyn()])
            }
            Step::Hang => {
                let (wake, woken) = channel();
                let _registered = cancel.on_cancel(move || wake.send(()).unwrap())?;
                woken.recv_timeout(PATIENCE).expect("nobody cancelled");
                Err(InferError::Cancelled)
            }
            Step::Panic => panic!("asked to"),
        }
    });
    let classifier = Classifier::from_engine(engine, &ModelInfo::default()).unwrap();
    Rig { pool: Pool::new(classifier, options).unwrap(), steps, began }
}

fn options(queue: usize, batch_size: usize) -> PoolOptions {
    PoolOptions { queue, batch_size, ..PoolOptions::default() }
}

/// A clip of one value, and where its score will come out.
fn job(value: f32) -> (ClipJob, Receiver<Scored>) {
    let (reply, scored) = channel();
    let frames = Array4::from_elem((3, 1, 2, 2), value).into();
    let reply = Box::new(move |scored| reply.send(scored).unwrap());
    (ClipJob { frames, audio: None, reply }, scored)
}

fn submit(submitter: &Submitter, value: f32) -> Receiver<Scored> {
    let (job, scored) = job(value);
    assert!(submitter.try_submit(job).is_ok());
    scored
}

fn began(rig: &Rig) -> Vec<f32> {
    rig.began.recv_timeout(PATIENCE).unwrap()
}

fn fake(scored: &Receiver<Scored>) -> f64 {
    scored.recv_timeout(PATIENCE).unwrap().result.unwrap().fake
}

/// The reply was dropped, not called.
fn discarded(scored: &Receiver<Scored>) -> bool {
    scored
        .recv_timeout(PATIENCE)
        .is_err_and(|e| e == std::sync::mpsc::RecvTimeoutError::Disconnected)
}

#[test]
fn submitters_are_served_in_turn() {
    let rig = rig(options(4, 1));
    let (crowded, quiet) = (rig.pool.submitter(), rig.pool.submitter());
    let first = submit(&crowded, 1.0);
    assert_eq!(began(&rig), [1.0]);
    let rest: Vec<_> = [2.0, 3.0].into_iter().map(|v| submit(&crowded, v)).collect();
    let other = submit(&quiet, 9.0);
    assert_eq!((crowded.waiting(), quiet.waiting()), (2, 1));
    for _ in 0..4 {
        rig.steps.send(Step::Answer).unwrap();
    }
    assert_eq!([began(&rig), began(&rig), began(&rig)], [[9.0], [2.0], [3.0]]);
    assert!((fake(&first) - 0.731_058_578).abs() < 1e-6);
    assert!(fake(&other) > fake(&rest[1]));
}

#[test]
fn waiting_clips_share_a_run() {
    let rig = rig(options(4, 3));
    let (one, two) = (rig.pool.submitter(), rig.pool.submitter());
    let alone = submit(&one, 0.0);
    assert_eq!(began(&rig), [0.0]);
    let waiting = [submit(&one, 1.0), submit(&one, 2.0), submit(&two, 3.0), submit(&two, -4.0)];
    for _ in 0..3 {
        rig.steps.send(Step::Answer).unwrap();
    }
    assert_eq!(began(&rig), [3.0, 1.0, -4.0]);
    assert_eq!(began(&rig), [2.0]);
    assert_eq!(fake(&alone), 0.5);
    assert!(fake(&waiting[3]) < 0.5 && fake(&waiting[2]) > fake(&waiting[0]));
}

#[test]
fn a_clip_waits_for_company_until_the_batch_is_full_or_its_time_is_up() {
    let full = rig(PoolOptions { batch_timeout: 10 * PATIENCE, ..options(4, 2) });
    let submitter = full.pool.submitter();
    let pair = [submit(&submitter, 1.0), submit(&submitter, 2.0)];
    full.steps.send(Step::Answer).unwrap();
    assert_eq!(began(&full), [1.0, 2.0]);
    assert!(fake(&pair[0]) < fake(&pair[1]));

    let lonely = rig(PoolOptions { batch_timeout: Duration::from_millis(1), ..options(4, 2) });
    let submitter = lonely.pool.submitter();
    let alone = submit(&submitter, 0.0);
    lonely.steps.send(Step::Answer).unwrap();
    assert_eq!(began(&lonely), [0.0]);
    assert_eq!(fake(&alone), 0.5);
}

#[test]
fn a_flush_while_waiting_for_company_leaves_the_pool_at_work() {
    let rig = rig(PoolOptions { batch_timeout: Duration::from_millis(200), ..options(4, 2) });
    let submitter = rig.pool.submitter();
    let flushed = submit(&submitter, 1.0);
    submitter.flush();
    assert!(discarded(&flushed));
    let next = [submit(&submitter, 2.0), submit(&submitter, 3.0)];
    rig.steps.send(Step::Answer).unwrap();
    rig.steps.send(Step::Answer).unwrap();
    let mut runs = began(&rig);
    if runs.len() == 1 {
        runs.extend(began(&rig));
    }
    assert_eq!(runs, [2.0, 3.0]);
    assert!(fake(&next[0]) < fake(&next[1]));
}

#[test]
fn a_flush_discards_what_waits_and_cancels_what_runs() {
    let rig = rig(options(4, 1));
    let (flushed, other) = (rig.pool.submitter(), rig.pool.submitter());
    let running = submit(&flushed, 1.0);
    began(&rig);
    let waiting = submit(&flushed, 2.0);
    let kept = submit(&other, 3.0);
    rig.steps.send(Step::Hang).unwrap();
    flushed.flush();
    assert!(discarded(&waiting) && discarded(&running));

    let fresh = submit(&flushed, 4.0);
    rig.steps.send(Step::Answer).unwrap();
    rig.steps.send(Step::Answer).unwrap();
    assert_eq!([began(&rig), began(&rig)], [[3.0], [4.0]]);
    assert!(fake(&kept) < fake(&fresh));
}

#[test]
fn a_run_that_another_stream_waits_for_outlives_a_flush() {
    let rig = rig(options(4, 2));
    let (flushed, other) = (rig.pool.submitter(), rig.pool.submitter());
    submit(&flushed, 0.0);
    began(&rig);
    let (gone, kept) = (submit(&flushed, 1.0), submit(&other, 2.0));
    rig.steps.send(Step::Answer).unwrap();
    assert_eq!(began(&rig), [2.0, 1.0]);
    flushed.flush();
    rig.steps.send(Step::Answer).unwrap();
    assert!(fake(&kept) > 0.8);
    assert!(discarded(&gone));
}

#[test]
fn a_full_queue_refuses_or_waits() {
    let rig = rig(options(1, 1));
    let submitter = rig.pool.submitter();
    let running = submit(&submitter, 1.0);
    began(&rig);
    let waiting = submit(&submitter, 2.0);
    let (refused, _) = job(3.0);
    let Err(Refused::Full(refused)) = submitter.try_submit(refused) else { panic!("taken") };
    assert_eq!(refused.frames, Array4::from_elem((3, 1, 2, 2), 3.0f32).into());

    thread::scope(|scope| {
        let (late, scored) = job(4.0);
        let blocked = scope.spawn(|| submitter.submit(late, submitter.ticket()));
        rig.steps.send(Step::Answer).unwrap();
        assert!(blocked.join().unwrap().is_ok());
        rig.steps.send(Step::Answer).unwrap();
        rig.steps.send(Step::Answer).unwrap();
        let fakes = [&running, &waiting, &scored].map(fake);
        assert!(fakes.is_sorted(), "{fakes:?}");
    });
}

#[test]
fn a_flush_wakes_who_waits_for_room() {
    let rig = rig(options(1, 1));
    let submitter = rig.pool.submitter();
    submit(&submitter, 1.0);
    began(&rig);
    submit(&submitter, 2.0);
    thread::scope(|scope| {
        let blocked = scope.spawn(|| submitter.submit(job(3.0).0, submitter.ticket()));
        // Whether it waits already or not: it was called in the old generation or finds room.
        thread::sleep(Duration::from_millis(20));
        rig.steps.send(Step::Hang).unwrap();
        submitter.flush();
        let ended = blocked.join().unwrap();
        assert!(matches!(ended, Err(Refused::Flushed) | Ok(())));
    });
}

/// Submits clips for as long as they are taken, and returns why one was not, and when.
fn produce(submitter: &Submitter) -> (Refused, std::time::Instant) {
    loop {
        if let Err(refused) = submitter.submit(job(0.0).0, submitter.ticket()) {
            return (refused, std::time::Instant::now());
        }
    }
}

/// A pool whose run hangs and whose queue is full, so that a further clip has to wait.
fn full_and_hanging() -> (Rig, Submitter, Receiver<Scored>) {
    let rig = rig(options(2, 1));
    let submitter = rig.pool.submitter();
    let running = submit(&submitter, 1.0);
    began(&rig);
    rig.steps.send(Step::Hang).unwrap();
    submit(&submitter, 2.0);
    submit(&submitter, 3.0);
    (rig, submitter, running)
}

#[test]
fn a_canceller_wakes_who_waits_for_room_and_cancels_the_run_from_any_thread() {
    let (rig, submitter, running) = full_and_hanging();
    let canceller = submitter.canceller();
    // The runs after the flush hang as well.
    (0..100).for_each(|_| rig.steps.send(Step::Hang).unwrap());
    thread::scope(|scope| {
        let producer = scope.spawn(|| produce(&submitter));
        let mut flushed = std::time::Instant::now();
        // One that comes between two clips makes room for the next.
        while !producer.is_finished() {
            flushed = std::time::Instant::now();
            canceller.clone().flush();
            thread::sleep(Duration::from_millis(20));
        }
        let (refused, when) = producer.join().unwrap();
        assert!(matches!(refused, Refused::Flushed));
        let took = when.saturating_duration_since(flushed);
        // Milliseconds; the rest is for machines with other work.
        assert!(took < Duration::from_secs(1), "woken after {took:?}");
    });
    assert!(discarded(&running), "the run was not cancelled");
}

#[test]
fn a_run_that_ignores_its_cancellation_is_abandoned() {
    let (end_run, run_ends) = channel::<()>();
    let (begin, began) = channel();
    let inputs = vec![tensor("clip", &[-1, 3, 1, 2, 2])];
    let engine = Fake::boxed(inputs, vec![tensor("logits", &[-1, 2])], move |_, _| {
        begin.send(()).unwrap();
        let _forever = run_ends.recv();
        Err(InferError::Cancelled)
    });
    let classifier = Classifier::from_engine(engine, &ModelInfo::default()).unwrap();
    let pool = Pool::new(classifier, PoolOptions::default()).unwrap();
    let submitter = pool.submitter();
    let running = submit(&submitter, 1.0);
    began.recv_timeout(PATIENCE).unwrap();

    let (ended, has_ended) = channel();
    thread::spawn(move || {
        drop((pool, submitter));
        ended.send(()).unwrap();
    });
    has_ended.recv_timeout(ABANDON_AFTER + PATIENCE / 2).expect("it waits for ever");
    assert!(settle(Duration::ZERO) >= 1, "the run is forgotten");
    // Its engine is neither taken from it nor kept longer than it runs.
    assert_eq!(began.try_recv(), Err(TryRecvError::Empty));
    end_run.send(()).unwrap();
    assert!(discarded(&running));
    assert!(began.recv_timeout(PATIENCE).is_err(), "the engine was not dropped");
}

#[test]
fn a_panic_is_the_result_of_its_job_alone() {
    let rig = rig(PoolOptions::default());
    let submitter = rig.pool.submitter();
    let bad = submit(&submitter, 1.0);
    rig.steps.send(Step::Panic).unwrap();
    let error = bad.recv_timeout(PATIENCE).unwrap().result.unwrap_err();
    assert!(matches!(&*error, InferError::Panicked { .. }));
    assert!(error.to_string().contains("asked to"), "{error}");
    let good = submit(&submitter, 0.0);
    rig.steps.send(Step::Answer).unwrap();
    assert_eq!(fake(&good), 0.5);
}

#[test]
fn a_wrong_clip_is_an_error_and_not_the_end() {
    let rig = rig(PoolOptions::default());
    let submitter = rig.pool.submitter();
    let (mut wrong, scored) = job(1.0);
    wrong.frames = Array4::<f32>::zeros((3, 1, 7, 7)).into();
    assert!(submitter.try_submit(wrong).is_ok());
    let scored = scored.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(&*scored.result.unwrap_err(), InferError::WrongShape { .. }));
    let good = submit(&submitter, 0.0);
    rig.steps.send(Step::Answer).unwrap();
    assert_eq!(fake(&good), 0.5);
}

#[test]
fn the_last_handle_ends_the_run_and_the_thread() {
    let Rig { pool, steps, began } = rig(PoolOptions::default());
    let submitter = pool.submitter();
    let running = submit(&submitter, 1.0);
    began.recv_timeout(PATIENCE).unwrap();
    steps.send(Step::Hang).unwrap();
    drop(pool);
    drop(submitter);
    assert!(discarded(&running));
    // The engine is gone with its thread: its end of the channel is closed.
    assert!(steps.send(Step::Answer).is_err());
}

#[test]
fn the_last_handle_may_go_with_a_reply() {
    let Rig { pool, steps, began: _began } = rig(PoolOptions::default());
    let submitter = std::sync::Arc::new(pool.submitter());
    drop(pool);
    let (done, ended) = channel();
    let last = submitter.clone();
    let frames = Array4::<f32>::zeros((3, 1, 2, 2)).into();
    let reply = Box::new(move |_| {
        drop(last);
        done.send(()).unwrap();
    });
    assert!(submitter.try_submit(ClipJob { frames, audio: None, reply }).is_ok());
    drop(submitter);
    steps.send(Step::Answer).unwrap();
    ended.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn golden_elements_that_want_the_same_share_one_engine() {
    let meso4 = shared("models/meso4_df.onnx");
    let cpu = on(Provider::Cpu);
    let options = PoolOptions::default();
    let pools: Vec<_> = thread::scope(|scope| {
        let load = || shared_classifier(&meso4, &cpu, options, &CancelToken::new()).unwrap();
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(load)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(pools.iter().all(|pool| std::sync::Arc::ptr_eq(pool, &pools[0])));
    let crowded = Shapes { faces: 20, detect_px: 640, ..Shapes::default() };
    let crowded = EngineOptions { shapes: crowded, ..cpu.clone() };
    let same = shared_classifier(&meso4, &crowded, options, &CancelToken::new()).unwrap();
    assert!(std::sync::Arc::ptr_eq(&same, &pools[0]), "sizes for other roles");
    let one_thread = EngineOptions { threads: 1, ..cpu.clone() };
    let other = shared_classifier(&meso4, &one_thread, options, &CancelToken::new()).unwrap();
    assert!(!std::sync::Arc::ptr_eq(&other, &pools[0]));

    let spec = pools[0].spec();
    let submitter = pools[0].submitter();
    let (reply, scored) = channel();
    let frames = Array4::<f32>::zeros((3, spec.frames, spec.size_px, spec.size_px)).into();
    let job = ClipJob { frames, audio: None, reply: Box::new(move |s| reply.send(s).unwrap()) };
    assert!(submitter.submit(job, submitter.ticket()).is_ok());
    let fake = fake(&scored);
    assert!((0.0..=1.0).contains(&fake));
}

#[test]
fn a_clip_without_a_number_does_not_cost_the_others_of_its_run_theirs() {
    for (odd, runs) in [(4.0, 2), (f32::NAN, 5)] {
        let rig = rig(options(4, 3));
        let (one, other) = (rig.pool.submitter(), rig.pool.submitter());
        let first = submit(&one, 1.0);
        assert_eq!(began(&rig), [1.0]);
        // All three wait, and share the next run.
        let odd_one = submit(&one, odd);
        let sound = [submit(&other, 2.0), submit(&one, 3.0)];
        (0..runs).for_each(|_| rig.steps.send(Step::Answer).unwrap());
        assert_eq!(fake(&first), 1.0 / (1.0 + (-1f64).exp()));
        for (scored, value) in sound.iter().zip([2f64, 3.0]) {
            assert!((fake(scored) - 1.0 / (1.0 + (-value).exp())).abs() < 1e-9, "{odd}");
        }
        let result = odd_one.recv_timeout(PATIENCE).unwrap().result;
        match odd.is_nan() {
            true => assert!(matches!(*result.unwrap_err(), InferError::WrongValues { .. })),
            false => assert!(result.is_ok(), "the control"),
        }
        assert_eq!(rig.began.try_iter().count() + 1, runs, "runs");
    }
}
