//! Content credentials of files that are signed here.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use c2pa::{Builder, EphemeralSigner, Signer};
use gstm2sd::evidence::provenance::{Provenance, State, TrustList, read};
use serde_json::json;

/// A JPEG file of this repository.
fn jpeg() -> Vec<u8> {
    fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/portrait.jpg")).unwrap()
}

fn mp4_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(8 + content.len()).unwrap();
    [&size.to_be_bytes()[..], kind, content].concat()
}

/// An MP4 file without tracks, and some bytes of media.
fn mp4() -> Vec<u8> {
    let mut header = vec![0; 100];
    // A time scale of 1000, a rate of 1.0, and the number of the next track.
    header[14] = 3;
    header[15] = 0xe8;
    header[21] = 1;
    header[99] = 1;
    let media: Vec<u8> = (0..5000u32).map(|n| (n * 31 % 251) as u8).collect();
    [
        mp4_box(b"ftyp", b"isom\0\0\x02\0isommp42"),
        mp4_box(b"moov", &mp4_box(b"mvhd", &header)),
        mp4_box(b"mdat", &media),
    ]
    .concat()
}

/// The file with credentials, and the issuer's certificate in PEM.
fn signed(format: &str, content: &[u8]) -> (Vec<u8>, String) {
    let signer = EphemeralSigner::new("newsroom.example").unwrap();
    let definition = json!({
        "claim_generator_info": [{ "name": "test camera", "version": "2.1" }],
        "title": "a statement",
        "assertions": [{
            "label": "c2pa.actions",
            "data": { "actions": [
                {
                    "action": "c2pa.created",
                    "when": "2026-05-04T10:00:00Z",
                    "digitalSourceType":
                        "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
                },
                {
                    "action": "c2pa.color_adjustments",
                    "softwareAgent": { "name": "Editor", "version": "7" },
                    "parameters": { "description": "brighter" }
                }
            ] }
        }]
    });
    let mut builder = Builder::default().with_definition(definition).unwrap();
    let mut out = Cursor::new(Vec::new());
    builder.sign(&signer, format, &mut Cursor::new(content), &mut out).unwrap();
    let issuer = signer.certs().unwrap().pop().unwrap();
    (out.into_inner(), pem(&issuer))
}

fn pem(der: &[u8]) -> String {
    let mut child = std::process::Command::new("openssl")
        .args(["x509", "-inform", "DER"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), der).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn read(&self, name: &str, content: &[u8]) -> Provenance {
        read(&self.file(name, content), None).unwrap()
    }
}

#[test]
fn signed_pictures_and_videos_tell_who_signed_and_what_was_done() {
    let folder = Folder::new();
    for (name, format, content) in [("a.jpg", "image/jpeg", jpeg()), ("a.mp4", "video/mp4", mp4())]
    {
        assert_eq!(folder.read(name, &content).state, State::Absent, "{name}");
        let (whole, issuer) = signed(format, &content);
        let path = folder.file(name, &whole);
        let found = read(&path, None).unwrap();
        assert_eq!(found.state, State::Valid, "{name}: {found:#?}");
        assert!(found.problems.is_empty(), "{found:#?}");
        let signer = found.signer.unwrap();
        assert_eq!(signer.name.as_deref(), Some("newsroom.example"));
        assert_eq!(signer.trusted, None);
        assert_eq!(found.claim_generator.as_deref(), Some("test camera 2.1"));
        assert_eq!(found.title.as_deref(), Some("a statement"));
        let did: Vec<_> = found.actions.iter().map(|action| action.action.as_str()).collect();
        assert_eq!(did, ["c2pa.created", "c2pa.color_adjustments"]);
        assert_eq!(found.actions[0].source_type.as_deref(), Some("digitalCapture"));
        assert_eq!(found.actions[0].when.as_deref(), Some("2026-05-04T10:00:00Z"));
        assert_eq!(found.actions[1].software.as_deref(), Some("Editor 7"));

        let trust = |pem: &str| TrustList::read(&folder.file("trust.pem", pem.as_bytes())).unwrap();
        let trusted = read(&path, Some(&trust(&issuer))).unwrap();
        assert_eq!(trusted.state, State::Trusted, "{trusted:#?}");
        assert_eq!(trusted.signer.unwrap().trusted, Some(true));
        let (_, other) = signed(format, &content);
        let untrusted = read(&path, Some(&trust(&other))).unwrap();
        assert_eq!(untrusted.state, State::Valid, "{untrusted:#?}");
        assert_eq!(untrusted.signer.unwrap().trusted, Some(false));
    }
}

#[test]
fn what_was_tampered_with_is_not_valid() {
    let folder = Folder::new();
    for (name, format, content) in [("a.jpg", "image/jpeg", jpeg()), ("a.mp4", "video/mp4", mp4())]
    {
        let (whole, _) = signed(format, &content);
        // The last tenth is content, and so is nothing of the credentials.
        for place in [whole.len() - 3, whole.len() - content.len() / 20] {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            let found = folder.read(name, &bytes);
            assert_eq!(found.state, State::Invalid, "{name}, byte {place}: {found:#?}");
            assert!(!found.problems.is_empty());
        }
        // Somewhere in the signer's name.
        let at = whole.windows(8).position(|window| window == b"newsroom").unwrap();
        let mut bytes = whole.clone();
        bytes[at] = b'N';
        let found = folder.read(name, &bytes);
        assert!(matches!(found.state, State::Invalid | State::Unreadable), "{name}: {found:#?}");
    }
}

#[test]
fn credentials_that_lie_elsewhere_are_not_fetched() {
    let folder = Folder::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/a.c2pa", listener.local_addr().unwrap());
    let signer = EphemeralSigner::new("newsroom.example").unwrap();
    let mut builder = Builder::default();
    builder.set_remote_url(&address).set_no_embed(true);
    let mut out = Cursor::new(Vec::new());
    builder.sign(&signer, "image/jpeg", &mut Cursor::new(jpeg()), &mut out).unwrap();
    let found = folder.read("a.jpg", out.get_ref());
    assert_eq!((found.state, found.address), (State::Elsewhere, Some(address)));
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "somebody asked there");
}

#[test]
fn damaged_files_are_told_and_nothing_panics() {
    let folder = Folder::new();
    let mut random = fastrand::Rng::with_seed(3);
    for (name, format, content) in [("a.jpg", "image/jpeg", jpeg()), ("a.mp4", "video/mp4", mp4())]
    {
        let (whole, _) = signed(format, &content);
        for _ in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..random.usize(1..20) {
                let place = random.usize(..bytes.len());
                bytes[place] = random.u8(..);
            }
            bytes.truncate(random.usize(bytes.len() / 2..=bytes.len()));
            let found = folder.read(name, &bytes);
            assert_ne!(found.state, State::Valid, "{name}");
        }
    }
    assert_eq!(folder.read("a.txt", b"hello").state, State::Unsupported);
    assert_eq!(folder.read("a.mkv", b"\x1aE\xdf\xa3").state, State::Unsupported);
    assert_ne!(folder.read("a.mp4", b"").state, State::Valid);
    assert!(read(Path::new("/none"), None).is_err());
    assert!(read(folder.0.path(), None).is_err());
    for content in ["", "hello", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"] {
        assert!(TrustList::read(&folder.file("trust.pem", content.as_bytes())).is_err());
    }
}
