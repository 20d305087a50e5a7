//! What can be wrong with a server, a network and an address is told.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use gstm2sd::infer::{CancelToken, EngineOptions, Provider, load_classifier, load_detector};
use gstm2sd::models::synth::{Synth, write};

use crate::ports::free_port;
use crate::servers::{Proxy, Server};
use crate::{classifier, load, name, remote, score};

/// Takes connections and says this to each.
fn server_of(words: &'static [u8]) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(words);
            // Kept open: whoever waits for more waits.
            std::mem::forget(stream);
        }
    });
    format!("kserve://{address}/network")
}

fn why(address: &str) -> (String, Duration) {
    let started = Instant::now();
    let error = load(address).err().unwrap().to_string();
    (error, started.elapsed())
}

#[test]
fn what_is_no_inference_server_is_told_in_seconds() {
    let free = format!("127.0.0.1:{}", free_port());
    for (address, expected) in [
        (format!("kserve://{free}/network"), "Connection refused"),
        ("kserve://no-such-host.invalid:8001/network".to_owned(), "no-such-host.invalid"),
        (server_of(b"220 mail ready\r\n"), ""),
        (server_of(b"HTTP/1.1 400 Bad Request\r\n\r\n"), ""),
        (server_of(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\xff\xff"), ""),
        (server_of(b""), "no answer within"),
    ] {
        let (error, took) = why(&address);
        let host = address.strip_prefix("kserve://").unwrap().split('/').next().unwrap();
        assert!(error.contains(host) && error.contains(expected), "{address}: {error}");
        assert!(error.contains("no server answers"), "{address}: {error}");
        assert!(took < Duration::from_secs(15), "{address}: {took:?}");
    }
}

#[test]
fn networks_that_do_not_fit_are_told_with_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let detector = write(&Synth::Detector, dir.path()).unwrap();
    let server = Server::triton(&[&model, &detector]);
    let kserve = Server::kserve("plain", &detector);
    let options = EngineOptions::default();
    let no_file = |address: String| (load(&address).err().unwrap().to_string(), address);
    for ((error, address), expected) in [
        (no_file(server.model("nosuch")), ["nosuch", "no model"]),
        (no_file(server.model(name(&detector))), ["the role detector", "the classifier"]),
        // Without a sidecar its tensors tell.
        (no_file(kserve.model("plain")), ["does not fit as classifier", "image f32[?,3,?,?]"]),
        (
            no_file(format!("{}?modelinfo=/no/such/file", kserve.model("plain"))),
            ["/no/such/file", "cannot be read"],
        ),
        (
            no_file(format!("{}?token-env=NO_SUCH_VARIABLE", kserve.model("plain"))),
            ["NO_SUCH_VARIABLE", "is not set"],
        ),
        (
            no_file(format!("kserve://127.0.0.1:{}/plain", kserve.http_port())),
            ["no server answers", "127.0.0.1"],
        ),
    ] {
        for expected in expected {
            assert!(error.contains(expected), "{address}: {error}");
        }
    }
    // A detector it is.
    let cancel = CancelToken::new();
    load_detector(remote(&kserve.model("plain")), &options, &cancel).unwrap();
    // Two that are not the same.
    let both = format!(
        "{},kserve://{}/{}",
        server.model(name(&model)),
        Server::kserve(name(&model), &detector).address(),
        name(&model)
    );
    // The second is gone with its line: one that answers is enough.
    load(&both).unwrap();
    let other = Server::kserve(name(&model), &detector);
    let both = format!("{},{}", server.model(name(&model)), other.model(name(&model)));
    let (error, _) = why(&both);
    assert!(error.contains("serve different networks"), "{error}");
}

#[test]
fn a_provider_that_runs_servers_takes_no_file_and_the_other_way() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let options = EngineOptions { provider: Provider::Kserve, ..EngineOptions::default() };
    let error = load_classifier(&model, &options, &CancelToken::new()).err().unwrap().to_string();
    assert!(error.contains("is a file") && error.contains("kserve://"), "{error}");
    // An address says enough: the provider is that of the files beside it.
    let server = Server::triton(&[&model]);
    let options = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
    load_classifier(remote(&server.model(name(&model))), &options, &CancelToken::new()).unwrap();
}

#[test]
fn an_answer_that_takes_too_long_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let server = Server::triton(&[&model]);
    let proxy = Proxy::to(server.address());
    let mut there = load(&format!("{}?timeout=0.5s", proxy.model(name(&model)))).unwrap();
    score(&mut there, &[1]).unwrap();
    proxy.be_silent(true);
    let started = Instant::now();
    let error = score(&mut there, &[1]).unwrap_err().to_string();
    let took = started.elapsed();
    assert!(error.contains("no answer within 500ms"), "{error}");
    assert!((0.4..2.0).contains(&took.as_secs_f64()), "{took:?}");
}

#[test]
fn tls_and_tokens_are_what_the_address_says() {
    const TOKEN: &str = "geheim-4711";
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let (server, keys) = Server::secured(name(&model), &model, TOKEN);
    let address = server.model(name(&model)).replace("kserve://", "kserves://");
    let ca = keys.path().join("cert.pem");
    let with_ca = format!("{address}?ca-file={}", ca.display());
    // The variable is this process's: others of its tests have others.
    // SAFETY: no other thread of this test reads or writes this variable.
    #[expect(unsafe_code, reason = "how a process has variables")]
    let set = |name: &str, value: &str| unsafe { std::env::set_var(name, value) };
    set("M2SD_TEST_TOKEN", TOKEN);
    set("M2SD_TEST_WRONG", "geheim-0815");
    set("M2SD_TEST_ODD", "geheim\n4711");
    let mut there = load(&format!("{with_ca}&token-env=M2SD_TEST_TOKEN")).unwrap();
    score(&mut there, &[1]).unwrap();
    for (address, expected) in [
        (format!("{with_ca}&token-env=M2SD_TEST_WRONG"), "Unauthenticated"),
        (format!("{with_ca}&token-env=M2SD_TEST_ODD"), "M2SD_TEST_ODD holds no token"),
        (with_ca.clone(), "Unauthenticated"),
        (format!("{address}?token-env=M2SD_TEST_TOKEN"), "certificate"),
        (with_ca.replace("kserves://", "kserve://"), "no server answers"),
        (format!("{address}?ca-file=/no/such/file"), "/no/such/file cannot be read"),
    ] {
        let (error, _) = why(&address);
        assert!(error.contains(expected), "{address}: {error}");
        assert!(!error.contains("geheim"), "{error}");
    }
    assert!(!format!("{:?}", there.spec()).contains("geheim"));
}
