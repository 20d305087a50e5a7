//! A camera on the network: a real RTSP server, lost and found again.

mod common;

use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_rtsp_server::prelude::*;
use gstm2sd::models::import::{ImportOptions, import};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server in a thread of its own, serving the shared clip with its sound, over and over.
struct Server {
    main_loop: glib::MainLoop,
    thread: Option<JoinHandle<()>>,
    port: u16,
}

impl Server {
    /// `port` 0: any.
    fn start(clip: &str, port: u16) -> Self {
        let (ready, started) = channel();
        let launch = format!(
            "( filesrc location=\"{clip}\" ! qtdemux name=d d. ! queue ! h264parse ! \
             rtph264pay name=pay0 pt=96 config-interval=-1 d. ! queue ! aacparse ! \
             rtpmp4gpay name=pay1 pt=97 )"
        );
        let thread = std::thread::spawn(move || {
            let context = glib::MainContext::new();
            let main_loop = glib::MainLoop::new(Some(&context), false);
            let server = gst_rtsp_server::RTSPServer::new();
            server.set_address("127.0.0.1");
            server.set_service(&port.to_string());
            let factory = gst_rtsp_server::RTSPMediaFactory::new();
            factory.set_launch(&launch);
            server.mount_points().unwrap().add_factory("/camera", factory);
            let source = server.attach(Some(&context)).expect("the server listens");
            let source = context.find_source_by_id(&source).expect("it was attached");
            ready.send((main_loop.clone(), server.bound_port() as u16)).unwrap();
            main_loop.run();
            // What a killed server does to its clients: the connections are gone.
            server.client_filter(Some(&mut |_, _| gst_rtsp_server::RTSPFilterResult::Remove));
            source.destroy();
        });
        let (main_loop, port) = started.recv_timeout(PATIENCE).expect("a server");
        Self { main_loop, thread: Some(thread), port }
    }

    fn stop(mut self) {
        self.main_loop.quit();
        self.thread.take().map(JoinHandle::join).transpose().expect("the server's thread");
    }
}

fn client(port: u16, engines: &str) -> gst::Pipeline {
    let line = format!(
        "rtspsrc location=rtsp://127.0.0.1:{port}/camera latency=100 protocols=tcp name=camera \
         camera. ! application/x-rtp,media=video ! rtph264depay ! avdec_h264 ! videoconvert ! \
         m2sdfilter name=filter engines-dir={engines} provider=cpu max-latency=50000000 ! \
         fakesink name=sink sync=true"
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

fn score(message: &gst::Message) -> Option<f64> {
    let clip = message.structure().filter(|s| s.name() == "m2sd-clip")?;
    clip.get("score").ok()
}

#[test]
fn a_camera_is_scored_lost_and_found_again() {
    let Some(shared) = common::shared_dir() else { return };
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
    let pipeline = client(port, engines);
    pipeline.set_state(gst::State::Playing).unwrap();
    for _ in 0..30 {
        let score = wait(&pipeline, score).expect("a score before anything goes wrong");
        assert!((0.0..=1.0).contains(&score));
    }

    let filter = pipeline.by_name("filter").unwrap();
    let mut latency = gst::query::Latency::new();
    assert!(filter.static_pad("src").unwrap().query(&mut latency));
    // The jitter buffer's 100 ms and the element's 50 ms.
    assert_eq!(latency.result(), (true, gst::ClockTime::from_mseconds(150), None));
    let stats: gst::Structure = filter.property("stats");
    assert!(stats.get::<u64>("frames-out").unwrap() > 0);

    server.stop();
    assert_eq!(wait(&pipeline, |_| None::<()>), None, "the loss is on the bus");
    pipeline.set_state(gst::State::Null).unwrap();

    let server = Server::start(clip, port);
    let pipeline = client(port, engines);
    pipeline.set_state(gst::State::Playing).unwrap();
    assert!(wait(&pipeline, score).is_some(), "scores arrive again");
    pipeline.set_state(gst::State::Null).unwrap();
    server.stop();
}
