//! Inputs that cannot be read: each failure names the host or the path, the cause and what to do, ends with
//! the same code, and shows no password anywhere.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{command, m2sd, scene, stderr, text};
use crate::ports::free_port;

/// In every address; in nothing that is said.
const SECRET: &str = "geheim";

/// Answers every connection until the tests end.
fn serve(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

/// The head of a request: its first line, and the number of an RTSP request.
fn request(stream: &TcpStream) -> Option<(String, String)> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut number = String::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(value) = line.strip_prefix("CSeq: ") {
            number = value.to_owned();
        }
    }
    Some((first, number))
}

/// A web server that answers with the status that the path begins with.
fn web() -> u16 {
    serve(|mut stream| {
        let Some((first, _)) = request(&stream) else { return };
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let status = path.trim_start_matches('/').get(..3).unwrap_or("404");
        let page = "<html>a page of words, and no video</html>";
        let answer = format!(
            "HTTP/1.1 {status} Of The Test\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{page}",
            page.len()
        );
        // Whoever asked may have gone.
        let _ = stream.write_all(answer.as_bytes());
    })
}

/// A camera that takes no password, or knows no stream.
fn camera(status: &'static str) -> u16 {
    serve(move |mut stream| {
        while let Some((first, number)) = request(&stream) {
            let status = if first.starts_with("OPTIONS") { "200 OK" } else { status };
            let answer = format!(
                "RTSP/1.0 {status}\r\nCSeq: {number}\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\
                 WWW-Authenticate: Basic realm=\"camera\"\r\n\r\n"
            );
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}

/// A server whose certificate nobody vouches for.
fn untrusted() -> u16 {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let config = Arc::new(config);
    serve(move |mut stream| {
        let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut tls = rustls::Stream::new(&mut tls, &mut stream);
        // Refused in the handshake.
        let _ = tls.read(&mut [0; 64]);
    })
}

/// A server that takes connections and says nothing.
fn silent() -> u16 {
    serve(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

/// A server that sends packets of MPEG-TS in which nothing is, and no end.
fn endless() -> u16 {
    serve(|mut stream| {
        let mut packets = [0xff; 188 * 16];
        packets
            .chunks_mut(188)
            .for_each(|packet| packet[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10]));
        if request(&stream).is_some() {
            // Up to when whoever asked has gone.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let _ = (0..20).try_for_each(|_| stream.write_all(&packets));
            let _ = stream.read_to_end(&mut Vec::new());
        }
    })
}

#[test]
fn each_address_that_cannot_be_read_is_told_with_its_host_and_its_cause() {
    let (web, closed, untrusted, silent) = (web(), free_port(), untrusted(), silent());
    let endless = endless();
    let (locked, empty) = (camera("401 Unauthorized"), camera("404 Not Found"));
    let at = |scheme: &str, port: u16, path: &str| {
        format!("{scheme}://user:{SECRET}@127.0.0.1:{port}/{path}")
    };
    let refused = format!("127.0.0.1 refuses connections to port {closed}: check the port");
    let no_host = "no host is known by the name nohost.invalid: check its spelling".to_owned();
    let says = |words: &str| format!("127.0.0.1:{web} {words}");
    let cases = [
        (at("rtsp", closed, "x"), refused.clone()),
        (at("rtmp", closed, &format!("live/x?token={SECRET}")), refused.clone()),
        (at("http", closed, "x.mp4"), refused.clone()),
        (at("https", closed, &format!("x.mp4?X-Amz-Signature={SECRET}")), refused),
        (format!("rtsp://user:{SECRET}@nohost.invalid/x"), no_host.clone()),
        (format!("rtmp://nohost.invalid/live/x?streamkey={SECRET}"), no_host.clone()),
        (format!("http://nohost.invalid/x?access_token={SECRET}"), no_host.clone()),
        (format!("https://nohost.invalid/x?sig={SECRET}"), no_host.clone()),
        (at("http", web, "401"), says("wants a user name and a password, or refuses")),
        (at("http", web, "403?sig=geheim"), says("denies access (403): check who may read it")),
        (at("http", web, "404"), says("has nothing at this address (404): check what follows")),
        (at("http", web, "410"), says("has nothing at this address (410)")),
        (at("http", web, "429"), says("gets too many requests (429): try later")),
        (at("http", web, "500"), says("fails (500): try later")),
        (at("http", web, "503"), says("fails (503)")),
        (at("http", web, "200"), "It is a web page; name the address of the video".to_owned()),
        (at("https", untrusted, "x"), format!("no secure connection to 127.0.0.1:{untrusted}")),
        (at("https", web, "x"), says("takes connections, and answers nothing that https:// is")),
        (at("rtsp", web, "x"), says("takes connections, and answers nothing that rtsp:// is")),
        (at("rtmp", web, "x/y"), says("takes connections, and answers nothing that rtmp:// is")),
        (format!("srt://nohost.invalid:9?passphrase={SECRET}{SECRET}"), no_host.clone()),
        (at("rtsp", locked, "x"), format!("127.0.0.1:{locked} wants a user name and a password")),
        (at("rtsp", empty, "x"), format!("127.0.0.1:{empty} has nothing at this address (404)")),
        (
            at("http", silent, "x"),
            format!("127.0.0.1:{silent} takes connections, and sends nothing"),
        ),
        (
            at("http", endless, "x"),
            "What it sends is video/mpegts, and no picture comes of it: check that".to_owned(),
        ),
        (
            format!("srt://127.0.0.1:{closed}?passphrase={SECRET}{SECRET}"),
            "have the same passphrase".to_owned(),
        ),
        (
            format!("udp://127.0.0.1:{closed}?token={SECRET}"),
            format!("somebody sends to 127.0.0.1:{closed}"),
        ),
        (at("kserve", closed, "x"), "give it to --classifier".to_owned()),
        (at("gopher", closed, "x"), "nothing here reads gopher://; expected a file".to_owned()),
        (format!("http:///x?token={SECRET}"), "it names no host".to_owned()),
        ("rtsp://".to_owned(), "it names no host; expected rtsp://HOST".to_owned()),
        (format!("file:///nowhere/{SECRET}.mp4?x"), "there is no such file".to_owned()),
    ];
    let waiting = Mutex::new(VecDeque::from(cases));
    let engines = scene().join("engines");
    let work = || {
        while let Some((address, words)) = waiting.lock().map(|mut all| all.pop_front()).unwrap() {
            assert_told(&engines, &address, &words);
        }
    };
    std::thread::scope(|scope| {
        let workers = [(); 3].map(|()| scope.spawn(work));
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

/// Runs a scan of an address, with our own log.
#[track_caller]
fn assert_told(engines: &Path, address: &str, words: &str) {
    let mut command =
        command(&["scan", "--json", "-", "--timeout", "2", "--engines", text(engines)]);
    for proxy in
        ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    {
        command.env_remove(proxy);
    }
    let run = command.arg("--").arg(address).env("GST_DEBUG", "m2sd*:7").output().unwrap();
    let said = stderr(&run);
    let last = said.lines().rev().find(|line| line.starts_with("m2sd: ")).expect(&said);
    assert!(last.contains(words), "{address}: no {words:?} in {said}");
    assert_eq!(run.status.code(), Some(3), "{address}: {said}");
    assert!(!last.contains("ffmpeg"), "a stream is not converted: {last}");
    if !address.starts_with("file:") {
        let records = String::from_utf8(run.stdout).unwrap();
        assert!(!said.contains(SECRET) && !records.contains(SECRET), "{address}: {said}{records}");
    }
}

/// A web server that breaks off in the middle of what it has, and takes no other question or begins anew.
fn breaks_off(all: Vec<u8>, begins_anew: bool) -> u16 {
    let asked = std::sync::atomic::AtomicBool::new(false);
    serve(move |mut stream| {
        let again = asked.swap(true, std::sync::atomic::Ordering::Relaxed);
        if request(&stream).is_none() || (again && !begins_anew) {
            return;
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", all.len());
        // Whoever asked may have gone.
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&all[..all.len() * 6 / 10]);
    })
}

/// As much as of a file that ends there: the control.
#[test]
fn what_came_before_a_connection_broke_off_is_scored() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, cut] = ["whole.mkv", "cut.mkv"].map(|name| dir.path().join(name));
    let made = m2sd(&["synth-video", "--frames", "90", "--out", text(&whole)]);
    assert!(made.status.success(), "{}", stderr(&made));
    let all = std::fs::read(whole).unwrap();
    std::fs::write(&cut, &all[..all.len() * 6 / 10]).unwrap();
    let engines = scene().join("engines");
    let scan = |input: &str, out: &str| {
        let out = dir.path().join(out);
        let run = m2sd(&["scan", input, "--engines", text(&engines), "--out", text(&out)]);
        let all = super::records(&std::fs::read_to_string(out.join("scores.jsonl")).unwrap());
        let frames = super::of_type(&all, "frame").into_iter().cloned().collect::<Vec<_>>();
        let is_there = |name: &str| out.join(name).exists();
        assert!(is_there("annotated.mp4") || is_there("annotated.mkv"), "{}", stderr(&run));
        (run, frames, all.last().unwrap().clone())
    };
    let (_, expected, _) = scan(text(&cut), "control");
    assert!(expected.len() > 30, "{} frames", expected.len());
    for begins_anew in [false, true] {
        let port = breaks_off(all.clone(), begins_anew);
        let address = format!("http://user:{SECRET}@127.0.0.1:{port}/x");
        let (run, frames, footer) = scan(&address, &format!("{begins_anew}"));
        let said = stderr(&run);
        assert_eq!(run.status.code(), Some(3), "{said}");
        assert_eq!(frames, expected, "{said}");
        assert_eq!(footer["end"], "failed", "{footer}");
        let reason = footer["reason"].as_str().unwrap();
        assert!(reason.contains("breaks off after 1.") && !said.contains(SECRET), "{reason}");
    }
}

#[test]
fn figures_of_an_address_are_told_without_its_passwords() {
    let video = std::fs::read(scene().join("scene.mp4")).unwrap();
    let port = serve(move |mut stream| {
        let Some(_) = request(&stream) else { return };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", video.len());
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&video));
    });
    let address = format!("http://user:{SECRET}@127.0.0.1:{port}/x.mp4?token={SECRET}");
    let engines = scene().join("engines");
    let bench = ["bench", "--frames", "2", "--seconds", "1", "--video"];
    for command in [&["scan", "--duration", "0.5"][..], &bench] {
        let how = [&address, "--engines", text(&engines), "--json", "-"];
        let run = m2sd(&[command, &how].concat());
        let said = [stderr(&run), String::from_utf8(run.stdout).unwrap()].concat();
        assert_eq!(run.status.code(), Some(0), "{command:?}: {said}");
        let names_host = said.contains(&format!("@127.0.0.1:{port}/x.mp4?token="));
        assert!(names_host && !said.contains(SECRET), "{command:?}: {said}");
    }
}

#[test]
fn each_file_that_cannot_be_read_is_told_with_its_path_and_its_cause() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let engines = scene().join("engines");
    let pipe = dir.path().join("pipe");
    let name = std::ffi::CString::new(text(&pipe)).unwrap();
    // SAFETY: the name ends with zero.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let many = b"The quick brown fox jumps over the lazy dog, line after line.\n".repeat(200);
    let noise: Vec<u8> =
        (0..20_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (path, words) in [
        (dir.path().join("gone.mp4"), "it is neither a file nor a URI; expected a path"),
        (dir.path().join("no/such/x.mp4"), "there is no folder "),
        (put("empty.mp4", b""), "it is empty; expected a video or a picture"),
        (put("zeros.mp4", &[0; 100_000]), "It begins with zeros"),
        (put("short.mp4", b"hello"), "It is text and begins with \"hello\""),
        (put("text.mp4", &many), "text"),
        (put("noise.mp4", &noise), "Convert it first"),
        (pipe, "it is a pipe or a device, and no file; scan - reads"),
        (put("a\nb\u{1b}[31m.mp4", b""), "a\\nb\\u{1b}[31m.mp4: it is empty"),
        (put("rtsp:__u:geheim@h_.mp4", b""), "it is empty"),
    ] {
        let run = m2sd(&["scan", "--json", "-", "--engines", text(&engines), text(&path)]);
        let said = stderr(&run);
        assert_eq!(run.status.code(), Some(3), "{said}");
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("m2sd: ") && last.contains(words), "no {words:?} in {said}");
        assert!(last.contains(text(dir.path())), "{said}");
        assert!(!said.contains('\u{1b}') && !said.contains("panic"), "{said}");
    }
    let folder = format!("file://{}", text(dir.path()));
    let run = m2sd(&["scan", &folder, "--engines", text(&engines)]);
    assert!(stderr(&run).contains("it is a folder; name it without file://"), "{}", stderr(&run));
}

#[test]
fn a_file_that_may_not_be_read_is_told() {
    // SAFETY: asks who this is.
    let is_root = unsafe { libc::geteuid() } == 0;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret.mp4");
    std::fs::write(&file, b"x").unwrap();
    let mode = |path: &Path, bits: u32| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).unwrap();
    };
    mode(dir.path(), 0o755);
    mode(&file, 0o000);
    // Another user may not run what is built, or find its libraries.
    let program = dir.path().join("m2sd");
    crate::support::copy_program(Path::new(env!("CARGO_BIN_EXE_m2sd")), &program);
    let mut command = std::process::Command::new(&program);
    command.args(["scan", text(&file)]).env("HOME", dir.path()).current_dir(dir.path());
    if is_root {
        command.uid(65534).gid(65534);
    }
    let run = command.output().unwrap();
    let said = stderr(&run);
    assert_eq!(run.status.code(), Some(3), "{said}");
    assert!(said.contains("secret.mp4: it may not be read (permission denied)"), "{said}");
}
