//! Keys of ours and of others.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use gstm2sd::evidence::seal::{PublicKey, SealError, SigningKey, Trusted};

fn run(program: &str, args: &[&str], path: &Path) {
    let output = Command::new(program).args(args).arg(path).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
}

fn why(path: &Path, passphrase: Option<&str>) -> String {
    match SigningKey::read(path, passphrase) {
        Err(SealError::Key { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_key_is_for_its_owner_and_overwrites_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deeper/key.pem");
    let key = SigningKey::generate().unwrap();
    let public = key.write_new(&path).unwrap();
    assert_eq!(public, dir.path().join("deeper/key.pem.pub"));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(SigningKey::read(&path, None).unwrap().public(), key.public());
    assert_eq!(PublicKey::read(&public).unwrap(), key.public());
    let before = fs::read(&path).unwrap();
    let other = SigningKey::generate().unwrap();
    assert!(matches!(other.write_new(&path), Err(SealError::KeyExists(_))));
    fs::remove_file(&path).unwrap();
    assert!(matches!(other.write_new(&path), Err(SealError::KeyExists(_))), "the public half");
    assert!(!path.exists());
    fs::write(&path, before).unwrap();
    // OpenSSL reads it, and its public half is ours.
    let pem = dir.path().join("public.pem");
    run("openssl", &["pkey", "-pubout", "-in", path.to_str().unwrap(), "-out"], &pem);
    assert_eq!(PublicKey::read(&pem).unwrap(), key.public());
    // Nothing shows it.
    let shown = format!("{key:?}");
    assert!(shown.contains("SHA256:") && shown.len() < 80, "{shown}");
}

#[test]
fn keys_of_openssh_and_openssl_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let ssh = |kind: &str, phrase: &str, name: &str| {
        run("ssh-keygen", &["-q", "-t", kind, "-N", phrase, "-C", "desk", "-f"], &at(name));
    };
    ssh("ed25519", "", "plain");
    let plain = SigningKey::read(&at("plain"), None).unwrap();
    assert_eq!(PublicKey::read(&at("plain.pub")).unwrap(), plain.public());
    let shown = Command::new("ssh-keygen").arg("-l").arg("-f").arg(at("plain")).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(&plain.public().fingerprint()), "{shown}");

    ssh("ed25519", "geheim", "locked");
    assert!(why(&at("locked"), None).contains("M2SD_KEY_PASSPHRASE"));
    assert!(why(&at("locked"), Some("wrong")).contains("does not open"));
    let locked = SigningKey::read(&at("locked"), Some("geheim")).unwrap();
    assert_eq!(PublicKey::read(&at("locked.pub")).unwrap(), locked.public());

    run("openssl", &["genpkey", "-algorithm", "ed25519", "-out"], &at("openssl.pem"));
    let key = SigningKey::read(&at("openssl.pem"), None).unwrap();
    let from = at("openssl.pem");
    let args =
        ["pkcs8", "-topk8", "-passout", "pass:geheim", "-in", from.to_str().unwrap(), "-out"];
    run("openssl", &args, &at("locked.pem"));
    assert!(why(&at("locked.pem"), None).contains("M2SD_KEY_PASSPHRASE"));
    assert!(why(&at("locked.pem"), Some("wrong")).contains("does not open"));
    let locked = SigningKey::read(&at("locked.pem"), Some("geheim")).unwrap();
    assert_eq!(locked.public(), key.public());
}

#[test]
fn what_is_no_key_for_it_is_said_to_be_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    run("ssh-keygen", &["-q", "-t", "ecdsa", "-N", "", "-f"], &at("ecdsa"));
    let said = why(&at("ecdsa"), None);
    assert!(said.contains("ssh-keygen -t ed25519"), "{said}");
    assert!(why(&at("ecdsa.pub"), None).contains("no private key"));
    run("openssl", &["genpkey", "-algorithm", "x25519", "-out"], &at("x25519"));
    assert!(why(&at("x25519"), None).contains("m2sd key new"));
    for (content, expected) in [
        (&b"hello"[..], "no private key"),
        (b"\xff\xfe", "no text"),
        (b"ssh-ed25519 AAAA", "a public key"),
        (b"-----BEGIN CERTIFICATE-----\n", "CERTIFICATE"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no Ed25519 key"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n!\n", "no key that can be read"),
        (&[b'a'; 70_000], "longer"),
    ] {
        fs::write(at("key"), content).unwrap();
        let why = why(&at("key"), None);
        assert!(why.contains(expected), "{why}");
    }
    let key = SigningKey::generate().unwrap();
    key.write_new(&at("new")).unwrap();
    let private = PublicKey::read(&at("new")).unwrap_err().to_string();
    assert!(private.contains("private key") && private.contains(".pub"), "{private}");
}

#[test]
fn lists_of_trusted_keys_are_those_of_openssh() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("list");
    let key = SigningKey::generate().unwrap().public();
    let read = |text: String| {
        fs::write(&list, text).unwrap();
        Trusted::nobody().and_listed(&list)
    };
    assert!(read(format!("# desk\n\n{key} the desk\nlab {key}\n")).is_ok());
    for (wrong, expected) in [
        (format!("{key}\nnonsense\n"), "line 2"),
        (format!("lab valid-before=\"2020\" {key}\n"), "options"),
        ("ssh-ed25519\n".to_owned(), "missing"),
        ("ssh-ed25519 AAAA x\n".to_owned(), "line 1"),
    ] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
