//! `m2sd seal --tsa` and `m2sd verify --tsa-ca` against a real authority on this machine.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::authority::{authority, reply, serve};
use crate::ports::free_port;
use crate::running::assert_code;
use crate::{command, stderr, text};

struct Desk {
    home: tempfile::TempDir,
}

impl Desk {
    /// With a key and a folder of results.
    fn new() -> Self {
        let desk = Self { home: tempfile::tempdir().unwrap() };
        fs::create_dir(desk.home.path().join("results")).unwrap();
        fs::write(desk.home.path().join("results/scores.jsonl"), "{\"frame\":0}\n").unwrap();
        assert_code(&desk.run(&["key", "new"]), 0);
        desk
    }

    fn folder(&self) -> String {
        text(&self.home.path().join("results")).to_owned()
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = command(args);
        for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        command.env("HOME", self.home.path()).env_remove("XDG_CONFIG_HOME").output().unwrap()
    }

    fn seal(&self, tsa: &str) -> Output {
        self.run(&["seal", &self.folder(), "--tsa", tsa])
    }

    fn verify(&self, certificates: &Path) -> Output {
        let key = self.home.path().join(".config/m2sd/seal-key.pem.pub");
        let args = ["verify", &self.folder(), "--key", text(&key), "--tsa-ca", text(certificates)];
        self.run(&args)
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_seal_with_a_time_stamp_is_verified_by_whom_one_believes() {
    let dir = authority("rsa:2048", "sha256");
    let at = dir.path().to_owned();
    let url = serve(move |query| Some((200, reply(&at, query))));
    let desk = Desk::new();
    let sealed = desk.seal(&url);
    assert_code(&sealed, 0);
    assert!(stdout(&sealed).contains("with a time stamp"), "{}", stdout(&sealed));
    let seal = fs::read_to_string(desk.home.path().join("results/seal.json")).unwrap();
    for said in [&stdout(&sealed), &stderr(&sealed), &seal] {
        assert!(!said.contains("geheim"), "{said}");
    }

    let verified = desk.verify(&dir.path().join("ca.pem"));
    assert_code(&verified, 0);
    let said = stdout(&verified);
    assert!(said.contains("the seal was there at 20") && said.contains("CN=Clock"), "{said}");
    assert!(said.contains("for whom a certificate that you named vouches"), "{said}");

    let stranger = authority("rsa:2048", "sha256");
    let unvouched = desk.verify(&stranger.path().join("ca.pem"));
    assert_code(&unvouched, 12);
    assert!(stdout(&unvouched).contains("NO certificate that you named"), "{unvouched:?}");
    assert!(stderr(&unvouched).contains("nobody in --tsa-ca vouches"), "{unvouched:?}");

    fs::write(desk.home.path().join("results/scores.jsonl"), "{\"frame\":1}\n").unwrap();
    let changed = desk.verify(&dir.path().join("ca.pem"));
    assert_code(&changed, 10);
    assert!(stdout(&changed).contains("scores.jsonl was changed"), "{changed:?}");
}

#[test]
fn without_a_time_stamp_that_was_asked_for_nothing_is_sealed() {
    let dir = authority("rsa:2048", "sha256");
    let config = fs::read_to_string(dir.path().join("tsa.cnf")).unwrap();
    let stricter = config.replace("digests = sha256", "digests = sha512");
    fs::write(dir.path().join("tsa.cnf"), stricter).unwrap();
    let at = dir.path().to_owned();
    let refusing = serve(move |query| Some((200, reply(&at, query))));
    let closed = format!("127.0.0.1:{}", free_port());
    let desk = Desk::new();
    for (url, words) in [
        (format!("http://user:geheim@{closed}/?token=geheim"), "refused"),
        ("http://nohost.invalid/tsa?sig=geheim".to_owned(), "nohost.invalid"),
        (serve(|_| Some((200, b"<html>".to_vec()))), "no reply"),
        (serve(|_| Some((403, Vec::new()))), "403"),
        (refusing, "refused"),
        ("ftp://host/?token=geheim".to_owned(), "ftp://host/?token=***"),
    ] {
        let run = desk.seal(&url);
        assert_code(&run, 4);
        let said = stderr(&run);
        assert!(said.contains(words), "{url}: {said}");
        assert!(said.contains("Nothing is sealed"), "{said}");
        assert!(!said.contains("geheim") && stdout(&run).is_empty(), "{said}");
        let names = fs::read_dir(desk.folder()).unwrap().count();
        assert_eq!(names, 1, "a seal is there");
    }
    // The control: what was there can be sealed.
    assert_code(&desk.run(&["seal", &desk.folder()]), 0);
}
