//! A camera on the network, as a real RTSP server in this process that can be made to fail.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_rtsp_server::prelude::*;

/// What the camera with a password wants.
pub const USER: &str = "viewer";
pub const PASSWORD: &str = "geheim-und-lang";

pub struct Server {
    pub port: i32,
    main_loop: glib::MainLoop,
    thread: Option<std::thread::JoinHandle<()>>,
    parts: Arc<Mutex<Parts>>,
}

#[derive(Default)]
struct Parts {
    media: Option<gst::Bin>,
    clients: Vec<gst_rtsp_server::RTSPClient>,
}

const CAPS: &str = "video/x-raw,width=320,height=240,framerate=10/1";

impl Server {
    /// Ten small frames a second at `/camera`.
    pub fn start(wants_password: bool) -> Self {
        super::support::init();
        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let parts = Arc::<Mutex<Parts>>::default();
        let factory = gst_rtsp_server::RTSPMediaFactory::new();
        factory.set_shared(true);
        factory.set_launch(&format!(
            "( videotestsrc is-live=true pattern=ball ! capsfilter name=caps caps=\"{CAPS}\" ! \
             x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 threads=1 ! h264parse ! \
             valve name=valve ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
        ));
        let shared = Arc::clone(&parts);
        factory.connect_media_configure(move |_, media| {
            shared.lock().unwrap().media = media.element().downcast().ok();
        });
        let server = gst_rtsp_server::RTSPServer::new();
        server.set_address("127.0.0.1");
        server.set_service("0");
        if wants_password {
            let auth = gst_rtsp_server::RTSPAuth::new();
            let role = gst_rtsp_server::RTSP_TOKEN_MEDIA_FACTORY_ROLE;
            let token = gst_rtsp_server::RTSPToken::builder().field(role, USER).build();
            let basic = gst_rtsp_server::RTSPAuth::make_basic(USER, PASSWORD);
            auth.add_basic(&basic, &token);
            server.set_auth(Some(&auth));
            let role = gst::Structure::builder(USER)
                .field(gst_rtsp_server::RTSP_PERM_MEDIA_FACTORY_ACCESS, true)
                .field(gst_rtsp_server::RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, true)
                .build();
            factory.add_role_from_structure(&role);
        }
        server.mount_points().unwrap().add_factory("/camera", factory);
        let shared = Arc::clone(&parts);
        server.connect_client_connected(move |_, client| {
            shared.lock().unwrap().clients.push(client.clone());
        });
        let _attached = server.attach(Some(&context)).expect("the server listens");
        let port = server.bound_port();
        let runs = main_loop.clone();
        let thread = std::thread::spawn(move || runs.run());
        Self { port, main_loop, thread: Some(thread), parts }
    }

    pub fn uri(&self) -> String {
        format!("rtsp://127.0.0.1:{}/camera", self.port)
    }

    fn part(&self, name: &str) -> gst::Element {
        let parts = self.parts.lock().unwrap();
        parts.media.as_ref().expect("somebody watches").by_name(name).unwrap()
    }

    /// Stays connected and sends no more, or sends again.
    pub fn stall(&self, is_stalled: bool) {
        self.part("valve").set_property("drop", is_stalled);
    }

    /// Closes every connection, and takes new ones.
    pub fn close(&self) {
        for client in std::mem::take(&mut self.parts.lock().unwrap().clients) {
            client.close();
        }
    }

    /// Sends larger frames.
    pub fn enlarge(&self) {
        let caps = CAPS.replace("320", "480").replace("240", "360");
        self.part("caps").set_property("caps", caps.parse::<gst::Caps>().unwrap());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.main_loop.quit();
        self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// Answers everything with nonsense.
pub fn nonsense() -> u16 {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            std::thread::spawn(move || {
                let mut asked = [0; 1024];
                while stream.read(&mut asked).is_ok_and(|read| read > 0) {
                    let nonsense: Vec<u8> = (0..997u32).map(|i| (i * i % 251) as u8).collect();
                    if stream.write_all(&nonsense).is_err() {
                        break;
                    }
                }
            });
        }
    });
    port
}

/// Takes connections and says nothing.
pub fn silence() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let held: Vec<_> = listener.incoming().collect();
        drop(held);
    });
    port
}
