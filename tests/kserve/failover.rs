//! Servers that go and come back.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstm2sd::infer::{
    CancelToken, ClipJob, Connection, EngineOptions, Pool, PoolOptions, Submitter,
    shared_classifier,
};
use gstm2sd::models::remote::RemoteModel;

use crate::servers::{Proxy, Server};
use crate::{classifier, load, name, pixels, remote, score};

/// Of a clip by its number: its score, and when it came.
type Answered = (usize, Result<f64, String>, Instant);

/// Sends a clip every 20 ms; what came of each, and when.
struct Stream {
    pool: Arc<Pool>,
    submitter: Submitter,
    clip: gstm2sd::infer::Tensor<ndarray::Ix4>,
    answers: Arc<Mutex<Vec<Answered>>>,
    sent: usize,
}

impl Stream {
    fn new(address: &str, clip: gstm2sd::infer::Tensor<ndarray::Ix4>) -> Self {
        let options = PoolOptions { queue: 1000, ..PoolOptions::default() };
        let cancel = CancelToken::new();
        let pool = shared_classifier(remote(address), &EngineOptions::default(), options, &cancel)
            .unwrap();
        let submitter = pool.submitter();
        Self { pool, submitter, clip, answers: Arc::default(), sent: 0 }
    }

    fn send_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let (number, answers) = (self.sent, Arc::clone(&self.answers));
            let reply = move |scored: gstm2sd::infer::Scored| {
                let result = scored.result.map(|score| score.fake).map_err(|e| e.to_string());
                answers.lock().unwrap().push((number, result, Instant::now()));
            };
            let job = ClipJob { frames: self.clip.clone(), audio: None, reply: Box::new(reply) };
            assert!(self.submitter.try_submit(job).is_ok(), "there is room");
            self.sent += 1;
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The answers of all clips: each once, none failed, all the same; and the longest time between two.
    fn end(self) -> Duration {
        let started = Instant::now();
        while self.answers.lock().unwrap().len() < self.sent {
            assert!(started.elapsed() < Duration::from_secs(30), "not all clips are answered");
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(self.submitter);
        drop(self.pool);
        let answers = self.answers.lock().unwrap();
        let mut numbers: Vec<_> = answers.iter().map(|(number, ..)| *number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..self.sent).collect::<Vec<_>>(), "each once");
        let first = answers[0].1.clone().unwrap();
        assert!(answers.iter().all(|(_, result, _)| *result == Ok(first)), "{answers:?}");
        let gaps = answers.windows(2).map(|pair| pair[1].2 - pair[0].2);
        gaps.max().unwrap_or_default()
    }
}

#[test]
fn one_of_two_servers_goes_and_comes_back_and_every_clip_is_scored_once() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let server = Server::triton(&[&model]);
    let proxies = [Proxy::to(server.address()), Proxy::to(server.address())];
    let address = proxies.each_ref().map(|proxy| proxy.model(name(&model))).join(",");
    let clip = {
        let classifier = load(&server.model(name(&model))).unwrap();
        classifier.spec().clip(pixels(&classifier, 9).view(), Vec::new).unwrap()
    };
    let mut stream = Stream::new(&address, clip);
    assert!(proxies.iter().all(|proxy| proxy.taken() > 0), "both are asked at the start");
    stream.send_for(Duration::from_secs(1));
    proxies[0].be_gone(true);
    stream.send_for(Duration::from_secs(2));
    let before = proxies[0].taken();
    proxies[0].be_gone(false);
    // Its first waits are of a second and of two.
    let started = Instant::now();
    while proxies[0].taken() == before {
        assert!(started.elapsed() < Duration::from_secs(10), "it is not asked again");
        stream.send_for(Duration::from_millis(100));
    }
    // Only one of them is left: it must be the one that came back.
    std::thread::sleep(Duration::from_secs(1));
    proxies[1].be_gone(true);
    stream.send_for(Duration::from_secs(1));
    let gap = stream.end();
    assert!(gap < Duration::from_secs(2), "no answer for {gap:?}");
}

#[test]
fn a_server_that_is_killed_is_asked_again_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let mut server = Server::triton(&[&model]);
    let address = server.model(name(&model));
    let mut there = load(&address).unwrap();
    let expected = score(&mut there, &[3]).unwrap();
    server.kill();
    let error = score(&mut there, &[3]).unwrap_err().to_string();
    assert!(error.contains(&format!("kserve://{}", server.address())), "{error}");
    // Out of order: nobody waits for it.
    let started = Instant::now();
    let error = score(&mut there, &[3]).unwrap_err().to_string();
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    assert!(error.contains("is out"), "{error}");
    server.restart();
    let back = Instant::now();
    let scores = loop {
        match score(&mut there, &[3]) {
            Ok(scores) => break scores,
            Err(error) => assert!(back.elapsed() < Duration::from_secs(20), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(scores, expected);
}

#[test]
fn a_run_that_waits_for_a_silent_server_is_cancelled_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let server = Server::triton(&[&model]);
    let proxy = Proxy::to(server.address());
    let mut there = load(&proxy.model(name(&model))).unwrap();
    proxy.be_silent(true);
    let (cancel, (began, begins)) = (CancelToken::new(), mpsc::channel());
    let on_time = cancel.clone();
    let waiting = std::thread::spawn(move || {
        let clip = there.spec().clip(pixels(&there, 1).view(), Vec::new).unwrap();
        began.send(()).unwrap();
        let clips = [gstm2sd::infer::Clip { frames: clip.view(), audio: None }];
        (there.run(&clips, &on_time), Instant::now())
    });
    begins.recv().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let cancelled = Instant::now();
    cancel.cancel();
    let (result, ended) = waiting.join().unwrap();
    assert!(matches!(result, Err(gstm2sd::infer::InferError::Cancelled)), "{result:?}");
    assert!(ended - cancelled < Duration::from_millis(100), "{:?}", ended - cancelled);
}

#[test]
fn a_slow_server_is_hedged_by_another_one_and_every_clip_counts_once() {
    const SLOW: Duration = Duration::from_millis(600);
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let servers = [Server::triton(&[&model]), Server::triton(&[&model])];
    let proxies = servers.each_ref().map(|server| Proxy::to(server.address()));
    let [slow, other] = proxies.each_ref().map(|proxy| proxy.model(name(&model)));
    let hedged = format!("{slow}?hedge=50ms,{other}");
    // The control: of two servers without requests, the first is asked.
    let mut control = load(&format!("{slow},{other}")).unwrap();
    let mut there = load(&hedged).unwrap();
    let remote = Arc::new(RemoteModel::parse(&hedged).unwrap());
    let connection = Connection::open(&remote, &CancelToken::new()).unwrap();
    let expected = score(&mut control, &[5]).unwrap();
    proxies[0].be_slow(SLOW);
    for round in 0..5 {
        let started = Instant::now();
        assert_eq!(score(&mut control, &[5]).unwrap(), expected);
        assert!(started.elapsed() >= SLOW, "it was asked: {:?}", started.elapsed());
        let started = Instant::now();
        assert_eq!(score(&mut there, &[5]).unwrap(), expected);
        let took = started.elapsed();
        // Once it was outrun, it is not asked first any more.
        assert!(took < SLOW && (round > 0 || took >= Duration::from_millis(50)), "{took:?}");
        assert_eq!(connection.hedged(), 1);
    }
    // When the other one is silent, the slow one's answer is the first.
    proxies[1].be_silent(true);
    let started = Instant::now();
    assert_eq!(score(&mut there, &[5]).unwrap(), expected);
    assert!(started.elapsed() >= SLOW, "{:?}", started.elapsed());
    assert_eq!(connection.hedged(), 2);
    proxies[1].be_silent(false);
    drop((there, control));
    let clip = {
        let classifier = load(&servers[0].model(name(&model))).unwrap();
        classifier.spec().clip(pixels(&classifier, 9).view(), Vec::new).unwrap()
    };
    let (mut stream, before) = (Stream::new(&hedged, clip), connection.hedged());
    stream.send_for(Duration::from_secs(1));
    stream.end();
    assert!(connection.hedged() > before);
}
