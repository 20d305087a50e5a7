//! The ways by which frames come.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;

use gst::prelude::*;
use gstm2sd::events::body::CameraState::{Connecting, Ended, Offline, Online};

use super::ports::free_port;
use super::server::Server;
use super::support::{Watchdog, Watching, init, until};

/// Serves the files of a folder; returns its address.
fn http(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let folder = folder.clone();
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().and_then(Result::ok).unwrap_or_default();
                let _ = lines.by_ref().find(|line| line.as_ref().is_ok_and(String::is_empty));
                let name = first.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
                let (status, body) = match std::fs::read(folder.join(name)) {
                    Ok(body) => ("200 OK", body),
                    Err(_) => ("404 Not Found", Vec::new()),
                };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                // Who asked may have gone.
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            });
        }
    });
    address
}

/// Plays a launch line to its end.
fn play(launch: &str) {
    let pipeline = gst::parse::launch(launch).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &wanted).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}

fn camera(id: &str, uri: &str) -> String {
    format!("[[camera]]\nid = \"{id}\"\nuri = \"{uri}\"\n")
}

#[test]
fn files_and_hls_come_over_http() {
    let _watchdog = Watchdog::new();
    init();
    let folder = tempfile::tempdir().unwrap();
    super::files::short_video(folder.path());
    let at = folder.path().display();
    play(&format!(
        "videotestsrc num-buffers=40 ! video/x-raw,width=160,height=120,framerate=10/1 ! \
         x264enc tune=zerolatency key-int-max=10 ! h264parse ! \
         hlssink2 target-duration=1 playlist-length=0 playlist-location={at}/list.m3u8 \
         location={at}/part%d.ts"
    ));
    let address = http(folder.path());
    let watching = Watching::start(
        &[
            camera("file", &format!("{address}/short.mp4")),
            camera("hls", &format!("{address}/list.m3u8")),
            camera("nothing", &format!("{address}/nosuch.mp4")),
        ]
        .concat(),
    );
    watching.until_state("nothing", Offline);
    let reason = watching.status("nothing").reason.unwrap();
    assert!(reason.contains("there is nothing at this address"), "{reason}");
    for camera in ["file", "hls"] {
        watching.until_state(camera, Ended);
        assert_eq!(watching.states(camera), [Connecting, Online, Ended]);
    }
    assert_eq!(watching.frames("file"), 20);
    assert_eq!(watching.frames("hls"), 40);
    assert!(watching.stop().2);
}

#[test]
fn srt_brings_a_transport_stream() {
    let _watchdog = Watchdog::new();
    init();
    let port = free_port();
    let sender = gst::parse::launch(&format!(
        "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=10/1 ! \
         x264enc tune=zerolatency key-int-max=10 ! h264parse config-interval=-1 ! mpegtsmux alignment=7 ! \
         srtsink uri=srt://127.0.0.1:{port}?mode=listener wait-for-connection=false"
    ));
    let sender = sender.unwrap();
    sender.set_state(gst::State::Playing).unwrap();
    let watching = Watching::start(&camera("srt", &format!("srt://127.0.0.1:{port}")));
    watching.until_state("srt", Online);
    until("frames", || watching.frames("srt") > 20);
    assert_eq!(watching.status("srt").video.unwrap().codec.as_deref(), Some("video/x-h264"));
    sender.set_state(gst::State::Null).unwrap();
    until("loss", || watching.states("srt").contains(&Offline));
    assert!(watching.stop().2);
}

#[test]
fn rtsp_comes_over_udp_too() {
    let _watchdog = Watchdog::new();
    let server = Server::start(false);
    let udp = |id: &str, way: &str| camera(id, &server.uri()) + &format!("transport = \"{way}\"\n");
    let watching = Watching::start(&[udp("udp", "udp"), udp("auto", "auto")].concat());
    for camera in ["udp", "auto"] {
        watching.until_state(camera, Online);
        until("frames", || watching.frames(camera) > 20);
    }
    assert!(watching.stop().2);
}
