//! A camera on the network: a real RTSP server, lost and found again.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_rtsp_server::prelude::*;
use gstm2sd::models::import::{ImportOptions, import};
use support::watchdog::Watchdog;

/// Far more than any wait takes beside other work; only what hangs takes longer.
const PATIENCE: Duration = Duration::from_secs(180);
/// A connection that has brought nothing for so long brings nothing any more.
const STALL: Duration = Duration::from_secs(30);

/// What tells the child process which clip to serve, and on which port.
const CLIP: &str = "M2SD_TEST_RTSP_CLIP";
const PORT: &str = "M2SD_TEST_RTSP_PORT";

/// The server, run in a process of its own by [`Server::start`] so that it can be killed.
#[test]
#[ignore = "the other tests start this as a process"]
fn serve() {
    let (Ok(clip), Ok(port)) = (std::env::var(CLIP), std::env::var(PORT)) else { return };
    gst::init().unwrap();
    let factory = gst_rtsp_server::RTSPMediaFactory::new();
    factory.set_launch(&format!(
        "( filesrc location=\"{clip}\" ! qtdemux name=d d. ! queue ! h264parse ! \
         rtph264pay name=pay0 pt=96 config-interval=-1 d. ! queue ! aacparse ! \
         rtpmp4gpay name=pay1 pt=97 )"
    ));
    let server = gst_rtsp_server::RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service(&port);
    server.mount_points().unwrap().add_factory("/camera", factory);
    let _attached = server.attach(None).expect("the server listens");
    println!("\nport {}", server.bound_port());
    glib::MainLoop::new(None, false).run();
}

struct Server {
    process: Child,
    port: u16,
    /// Kept open: the test runner inside the process ends when it cannot say, after a minute, that
    /// the server is still running.
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// `port` 0: any.
    fn start(clip: &str, port: u16) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "serve", "--ignored", "--nocapture"])
            .envs([(CLIP, clip), (PORT, &port.to_string())])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut lines = output.by_ref().lines();
        let port = lines.find_map(|line| line.unwrap().strip_prefix("port ")?.parse().ok());
        let port = port.expect("the server says where it listens");
        Self { process, port, _output: output }
    }
}

impl Drop for Server {
    /// Without a word to its clients, as when a camera loses its power.
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn client(port: u16, engines: &str) -> gst::Pipeline {
    let line = format!(
        "rtspsrc location=rtsp://127.0.0.1:{port}/camera latency=100 protocols=tcp name=camera \
         m2sdfilter name=filter engines-dir={engines} provider=cpu max-latency=50000000 \
         camera. ! application/x-rtp,media=video ! rtph264depay ! avdec_h264 ! videoconvert ! \
         filter.sink filter.src ! fakesink sync=true \
         camera. ! application/x-rtp,media=audio ! rtpmp4gdepay ! avdec_aac ! audioconvert ! \
         filter.audio_sink filter.audio_src ! fakesink sync=true"
    );
    gst::parse::launch(&line).unwrap().downcast().unwrap()
}

/// Waits for something on the bus; errors and the end count as `None`.
fn wait<T>(pipeline: &gst::Pipeline, wanted: impl FnMut(&gst::Message) -> Option<T>) -> Option<T> {
    match wait_for(pipeline, PATIENCE, wanted) {
        Waited::Came(found) => Some(found),
        Waited::Ended => None,
        Waited::Nothing => {
            tell_ends(pipeline);
            panic!("nothing came for {PATIENCE:?}")
        }
    }
}

/// Says how far the end of each stream has come, and what the element has seen.
fn tell_ends(pipeline: &gst::Pipeline) {
    for element in elements(pipeline) {
        for pad in element.pads() {
            let is_at_end = pad.sticky_event::<gst::event::Eos>(0).is_some();
            println!("{}: end {is_at_end}, {:?}", pad.path_string(), pad.last_flow_result());
        }
    }
    let filter = pipeline.by_name("filter").unwrap();
    println!("{:?}", filter.property::<gst::Structure>("stats"));
}

enum Waited<T> {
    Came(T),
    Ended,
    Nothing,
}

fn wait_for<T>(
    pipeline: &gst::Pipeline,
    patience: Duration,
    mut wanted: impl FnMut(&gst::Message) -> Option<T>,
) -> Waited<T> {
    let bus = pipeline.bus().unwrap();
    let until = Instant::now() + patience;
    while Instant::now() < until {
        let Some(message) = bus.timed_pop(gst::ClockTime::from_mseconds(200)) else { continue };
        if let Some(found) = wanted(&message) {
            return Waited::Came(found);
        }
        match message.view() {
            gst::MessageView::Eos(_) => return Waited::Ended,
            gst::MessageView::Error(error) => {
                println!("{}: {:?}", error.error(), error.debug());
                return Waited::Ended;
            }
            gst::MessageView::Latency(_) => pipeline.recalculate_latency().unwrap(),
            _ => {}
        }
    }
    Waited::Nothing
}

/// Whether frames come to the element.
fn is_fed(client: &Client) -> bool {
    let frames = || client.filter().property::<gst::Structure>("stats").get::<u64>("frames-in");
    let before = frames();
    std::thread::sleep(Duration::from_secs(2));
    frames() != before
}

/// A pipeline that reaches NULL before it is gone.
struct Client(gst::Pipeline);

impl Client {
    fn filter(&self) -> gst::Element {
        self.0.by_name("filter").unwrap()
    }
}

impl Drop for Client {
    /// Our element must stop at once although the camera still sends, and then the rest.
    fn drop(&mut self) {
        let filter = self.filter();
        filter.set_locked_state(true);
        let stopped = filter.set_state(gst::State::Null);
        let (ended, ends) = std::sync::mpsc::channel();
        let pipeline = self.0.clone();
        std::thread::spawn(move || {
            let _nobody_waits = ended.send(pipeline.set_state(gst::State::Null));
        });
        let until = Instant::now() + PATIENCE;
        while ends.recv_timeout(Duration::from_secs(1)).is_err() {
            if Instant::now() > until {
                return report(&self.0);
            }
            wake(&self.0);
        }
        if !std::thread::panicking() {
            assert_eq!(stopped, Ok(gst::StateChangeSuccess::Success));
        }
    }
}

fn elements(pipeline: &gst::Pipeline) -> impl Iterator<Item = gst::Element> {
    pipeline.iterate_recurse().into_iter().flatten()
}

/// Wakes jitter buffers that should stop: in GStreamer 1.22 two of their threads wait for one
/// signal, which wakes only one of them.
fn wake(pipeline: &gst::Pipeline) {
    for element in elements(pipeline) {
        if element.factory().is_some_and(|factory| factory.name() == "rtpjitterbuffer") {
            let pad = element.static_pad("sink").unwrap();
            std::thread::spawn(move || {
                [(); 2].map(|()| pad.send_event(gst::event::FlushStart::new()))
            });
        }
    }
}

/// Says which elements hold up a pipeline, which is left alone.
fn report(pipeline: &gst::Pipeline) {
    for element in elements(pipeline) {
        let state = element.current_state();
        if state != gst::State::Null {
            println!("{} is still {state:?}", element.path_string());
        }
    }
    std::mem::forget(pipeline.clone());
}

/// Score and audio coverage of a scored clip.
fn score(message: &gst::Message) -> Option<(f64, f64)> {
    let clip = message.structure().filter(|s| s.name() == "m2sd-clip")?;
    Some((clip.get("score").ok()?, clip.get("audio-coverage").ok()?))
}

/// Plays until 30 clips are scored. A connection may fail (rtspsrc ends some fresh ones with EOS):
/// whoever watches a camera tries again, as this does, until its patience ends.
fn connect(port: u16, engines: &str) -> Client {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let client = Client(client(port, engines));
        client.0.set_state(gst::State::Playing).unwrap();
        // Some bring nothing at all; but where frames come, clips are scored.
        let next = |_| match wait_for(&client.0, STALL, score) {
            Waited::Came(score) => Some(score),
            Waited::Ended => None,
            Waited::Nothing => {
                assert!(!is_fed(&client), "frames come, and for {STALL:?} no clip was scored");
                None
            }
        };
        let scores: Option<Vec<_>> = (0..30).map(next).collect();
        if let Some(scores) = scores {
            assert!(scores.iter().all(|(score, _)| (0.0..=1.0).contains(score)));
            assert!(scores.iter().any(|(_, coverage)| *coverage > 0.9), "{scores:?}");
            return client;
        }
    }
    panic!("no connection held for 30 clips");
}

/// A folder with these of the shared models.
fn models(shared: &Path, names: &[&str]) -> tempfile::TempDir {
    let engines = tempfile::tempdir().unwrap();
    for model in names {
        let model = shared.join("models").join(model);
        import(&model, engines.path(), &ImportOptions::default()).unwrap();
    }
    engines
}

fn clip(shared: &Path) -> String {
    shared.join("media/poetry_jam_360p.mp4").to_str().unwrap().to_owned()
}

#[test]
fn golden_a_camera_is_scored_lost_and_found_again() {
    let shared = support::shared_dir();
    let _watchdog = Watchdog::with_patience(8 * PATIENCE);
    gst::init().unwrap();
    gstm2sd::plugin_register_static().unwrap();
    let engines =
        models(&shared, &["retinaface_mobilenet0.25.pth", "pfld_112.onnx", "meso4_df.onnx"]);
    let engines = engines.path().to_str().unwrap();
    let clip = clip(&shared);

    let server = Server::start(&clip, 0);
    let port = server.port;
    let client = connect(port, engines);
    let filter = client.filter();
    let mut latency = gst::query::Latency::new();
    assert!(filter.static_pad("src").unwrap().query(&mut latency));
    // The jitter buffer's 100 ms and the element's 50 ms.
    assert_eq!(latency.result(), (true, gst::ClockTime::from_mseconds(150), None));
    let stats: gst::Structure = filter.property("stats");
    assert!(stats.get::<u64>("frames-out").unwrap() > 0);

    drop(server);
    assert_eq!(wait(&client.0, |_| None::<()>), None, "the loss is on the bus");
    drop(client);

    let _server = Server::start(&clip, port);
    drop(connect(port, engines));
}

/// Scans a camera; `act` is called when the first frames are recorded.
fn scan(port: u16, engines: &Path, out: &Path, act: impl FnOnce(&Child)) -> Output {
    let address = format!("rtsp://user:geheim@127.0.0.1:{port}/camera");
    let mut command = Command::new(env!("CARGO_BIN_EXE_m2sd"));
    command.args(["scan", &address, "--timeout", "60", "--out"]).arg(out);
    command.arg("--engines").arg(engines).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let recorded = |ending: &str| {
        let records = std::fs::read_to_string(out.join(format!("scores.jsonl{ending}")));
        records.is_ok_and(|text| text.lines().count() > 10)
    };
    while !recorded(".part") && !recorded("") && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    act(&child);
    child.wait_with_output().unwrap()
}

fn end_of(out: &Path) -> (String, serde_json::Value) {
    let records = std::fs::read_to_string(out.join("scores.jsonl")).unwrap();
    let end = serde_json::from_str(records.lines().last().unwrap()).unwrap();
    (records, end)
}

/// The classifier is slower than the camera, so that the end comes while packets wait.
#[test]
fn golden_a_scan_of_a_finite_stream_ends_with_the_stream() {
    let shared = support::shared_dir();
    let _watchdog = Watchdog::with_patience(3 * PATIENCE);
    let engines = models(&shared, &["retinaface_mobilenet0.25.pth", "m2sd_tiny.pt"]);
    let server = Server::start(&clip(&shared), 0);
    let out = tempfile::tempdir().unwrap();
    let run = scan(server.port, engines.path(), out.path(), |_| ());
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(0), "{said}");
    let (records, end) = end_of(out.path());
    assert_eq!((&end["type"], &end["end"]), (&"footer".into(), &"complete".into()));
    assert!(end["frames"].as_u64().unwrap() > 200, "{end}");
    assert!(records.contains("rtsp://user:***@127.0.0.1") && !records.contains("geheim"));
    assert!(!said.contains("geheim"), "{said}");
}

#[test]
fn golden_a_camera_that_is_lost_ends_its_scan_with_what_was_scored() {
    let shared = support::shared_dir();
    let _watchdog = Watchdog::with_patience(3 * PATIENCE);
    let engines = models(&shared, &["retinaface_mobilenet0.25.pth", "meso4_df.onnx"]);
    let server = Server::start(&clip(&shared), 0);
    let out = tempfile::tempdir().unwrap();
    let run = scan(server.port, engines.path(), out.path(), |_| drop(server));
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(matches!(run.status.code(), Some(3 | 5)), "{:?}: {said}", run.status);
    let (_, end) = end_of(out.path());
    assert_eq!(end["type"], "footer");
    assert!(["failed", "truncated-input"].contains(&end["end"].as_str().unwrap()), "{end}");
    assert!(end["frames"].as_u64().unwrap() >= 5, "{end}");
    assert!(!said.contains("geheim"), "{said}");
}

/// `m2sd scan --help` promises 20 s, whatever the source does.
#[test]
fn golden_a_signal_ends_the_scan_of_a_camera_with_its_files_finished() {
    let shared = support::shared_dir();
    let _watchdog = Watchdog::with_patience(3 * PATIENCE);
    let engines = models(&shared, &["retinaface_mobilenet0.25.pth", "meso4_df.onnx"]);
    let server = Server::start(&clip(&shared), 0);
    for (signal, code) in [(libc::SIGTERM, 143), (libc::SIGINT, 130)] {
        let out = tempfile::tempdir().unwrap();
        let mut asked = None;
        let run = scan(server.port, engines.path(), out.path(), |child| {
            // SAFETY: signals a child that has not been waited for.
            unsafe { libc::kill(child.id() as i32, signal) };
            asked = Some(Instant::now());
        });
        let took = asked.unwrap().elapsed();
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(code), "{said}");
        assert!(took < Duration::from_secs(20), "{took:?}: {said}");
        let (_, end) = end_of(out.path());
        assert_eq!((&end["type"], &end["end"]), (&"footer".into(), &"interrupted".into()), "{end}");
        let video = std::fs::read_dir(out.path()).unwrap().map(|file| file.unwrap().file_name());
        let names: Vec<_> = video.map(|name| name.into_string().unwrap()).collect();
        assert!(names.iter().all(|name| !name.ends_with(".part")), "{names:?}");
        assert!(names.iter().any(|name| name.starts_with("annotated.")), "{names:?}");
    }
}
