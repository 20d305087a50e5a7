//! A camera on the network: a real RTSP server, lost and found again.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_rtsp_server::prelude::*;
use gstm2sd::models::import::{ImportOptions, import};
use support::watchdog::Watchdog;

const PATIENCE: Duration = Duration::from_secs(60);

/// What tells the child process which clip to serve, and on which port.
const CLIP: &str = "M2SD_TEST_RTSP_CLIP";
const PORT: &str = "M2SD_TEST_RTSP_PORT";

/// The server, run in a process of its own by [`Server::start`] so that it can be killed.
#[test]
#[ignore = "the other test starts this as a process"]
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
        let output = BufReader::new(process.stdout.take().unwrap());
        let port =
            output.lines().find_map(|line| line.unwrap().strip_prefix("port ")?.parse().ok());
        Self { process, port: port.expect("the server says where it listens") }
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
fn wait<T>(
    pipeline: &gst::Pipeline,
    mut wanted: impl FnMut(&gst::Message) -> Option<T>,
) -> Option<T> {
    let bus = pipeline.bus().unwrap();
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let Some(message) = bus.timed_pop(gst::ClockTime::from_mseconds(200)) else { continue };
        if let Some(found) = wanted(&message) {
            return Some(found);
        }
        match message.view() {
            gst::MessageView::Eos(_) => return None,
            gst::MessageView::Error(error) => {
                println!("{}: {:?}", error.error(), error.debug());
                return None;
            }
            gst::MessageView::Latency(_) => pipeline.recalculate_latency().unwrap(),
            _ => {}
        }
    }
    panic!("nothing came for {PATIENCE:?}");
}

/// Ends a client. Our element must stop at once although the camera still sends. The pipeline is
/// given a while, and then left alone: GStreamer 1.22's rtpjitterbuffer misses, now and then, the
/// wake-up that should end its task, whatever it is linked to.
fn stop(pipeline: &gst::Pipeline) {
    let filter = pipeline.by_name("filter").unwrap();
    filter.set_locked_state(true);
    assert_eq!(filter.set_state(gst::State::Null), Ok(gst::StateChangeSuccess::Success));
    let (ended, ends) = std::sync::mpsc::channel();
    let pipeline = pipeline.clone();
    std::thread::spawn(move || {
        let _nobody_waits = ended.send(pipeline.set_state(gst::State::Null));
    });
    match ends.recv_timeout(Duration::from_secs(10)) {
        Ok(stopped) => assert!(stopped.is_ok()),
        Err(_) => println!("rtspsrc does not stop: left alone"),
    }
}

/// Score and audio coverage of a scored clip.
fn score(message: &gst::Message) -> Option<(f64, f64)> {
    let clip = message.structure().filter(|s| s.name() == "m2sd-clip")?;
    Some((clip.get("score").ok()?, clip.get("audio-coverage").ok()?))
}

/// Plays until 30 clips are scored. A connection may fail (rtspsrc ends some fresh ones with EOS):
/// whoever watches a camera tries again, as this does, until its patience ends.
fn connect(port: u16, engines: &str) -> gst::Pipeline {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let pipeline = client(port, engines);
        pipeline.set_state(gst::State::Playing).unwrap();
        let scores: Option<Vec<_>> = (0..30).map(|_| wait(&pipeline, score)).collect();
        if let Some(scores) = scores {
            assert!(scores.iter().all(|(score, _)| (0.0..=1.0).contains(score)));
            assert!(scores.iter().any(|(_, coverage)| *coverage > 0.9), "{scores:?}");
            return pipeline;
        }
        stop(&pipeline);
    }
    panic!("no connection held for 30 clips");
}

#[test]
fn golden_a_camera_is_scored_lost_and_found_again() {
    let shared = support::shared_dir();
    let _watchdog = Watchdog::with_patience(4 * PATIENCE);
    gst::init().unwrap();
    gstm2sd::plugin_register_static().unwrap();
    let engines = tempfile::tempdir().unwrap();
    for model in ["retinaface_mobilenet0.25.pth", "pfld_112.onnx", "meso4_df.onnx"] {
        let model = shared.join("models").join(model);
        import(&model, engines.path(), &ImportOptions::default()).unwrap();
    }
    let clip = shared.join("media/poetry_jam_360p.mp4");
    let clip = clip.to_str().unwrap();
    let engines = engines.path().to_str().unwrap();

    let server = Server::start(clip, 0);
    let port = server.port;
    let pipeline = connect(port, engines);
    let filter = pipeline.by_name("filter").unwrap();
    let mut latency = gst::query::Latency::new();
    assert!(filter.static_pad("src").unwrap().query(&mut latency));
    // The jitter buffer's 100 ms and the element's 50 ms.
    assert_eq!(latency.result(), (true, gst::ClockTime::from_mseconds(150), None));
    let stats: gst::Structure = filter.property("stats");
    assert!(stats.get::<u64>("frames-out").unwrap() > 0);

    drop(server);
    assert_eq!(wait(&pipeline, |_| None::<()>), None, "the loss is on the bus");
    stop(&pipeline);

    let _server = Server::start(clip, port);
    let pipeline = connect(port, engines);
    stop(&pipeline);
}
