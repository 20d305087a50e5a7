//! Cameras on the network with drawn faces, as one real RTSP server in this process.

use gst_rtsp_server::prelude::*;

pub struct Cameras {
    pub port: i32,
    main_loop: glib::MainLoop,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Cameras {
    /// So many cameras at `/0`, `/1`, …: 640×360, ten frames a second, one face each, every other one
    /// fake.
    pub fn start(count: usize) -> Self {
        gst::init().unwrap();
        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let server = gst_rtsp_server::RTSPServer::new();
        server.set_address("127.0.0.1");
        server.set_service("0");
        for number in 0..count {
            let color = if number % 2 == 0 { "0xFFD60FEB" } else { "0xFF230FEB" };
            let factory = gst_rtsp_server::RTSPMediaFactory::new();
            factory.set_shared(true);
            factory.set_launch(&format!(
                "( videotestsrc is-live=true pattern=solid-color foreground-color={color} ! \
                 video/x-raw,format=I420,width=96,height=96,framerate=10/1 ! \
                 videobox left=-200 right=-344 top=-100 bottom=-164 fill=black ! \
                 x264enc tune=zerolatency speed-preset=ultrafast key-int-max=20 threads=1 ! \
                 rtph264pay name=pay0 pt=96 config-interval=-1 )"
            ));
            server.mount_points().unwrap().add_factory(&format!("/{number}"), factory);
        }
        let _attached = server.attach(Some(&context)).expect("the server listens");
        let port = server.bound_port();
        let runs = main_loop.clone();
        let thread = std::thread::spawn(move || runs.run());
        Self { port, main_loop, thread: Some(thread) }
    }
}

impl Drop for Cameras {
    fn drop(&mut self) {
        self.main_loop.quit();
        self.thread.take().map(std::thread::JoinHandle::join);
    }
}
