//! Time stamps by a real authority.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use gstm2sd::evidence::seal::{
    Finding, SEAL_FILE, SealError, SealRequest, SigningKey, Trusted, seal, verify,
};
use gstm2sd::evidence::timestamp::{
    self, Authority, Request, Roots, TimestampError, TimestampSource, Vouched,
};

use super::authority::{authority, openssl, reply, serve};
use super::ports::free_port;

fn roots(dir: &Path) -> Roots {
    Roots::read(&dir.join("ca.pem")).unwrap()
}

#[test]
fn authorities_of_all_kinds_of_keys_are_believed_if_their_root_is() {
    let other = authority("rsa:2048", "sha256");
    for (kind, digest) in [
        ("rsa:2048", "sha512"),
        ("rsa:3072", "sha256"),
        ("ec -pkeyopt ec_paramgen_curve:P-256", "sha256"),
        ("ec -pkeyopt ec_paramgen_curve:P-384", "sha384"),
    ] {
        let dir = authority(kind, digest);
        let request = Request::new(b"what was there").unwrap();
        let token = request.token(&reply(dir.path(), &request.to_der().unwrap())).unwrap();
        let facts = |roots| timestamp::verify(&token, b"what was there", roots).unwrap();
        let own = roots(dir.path());
        assert_eq!(facts(Some(&own)).vouched, Vouched::Yes, "{kind}");
        assert_eq!(facts(None).vouched, Vouched::NotChecked);
        let foreign = roots(other.path());
        assert!(matches!(facts(Some(&foreign)).vouched, Vouched::No { .. }));
        assert_eq!(facts(None).authority, "CN=Clock");
        assert_eq!(facts(None).accuracy_ms, Some(1500));
        let age = jiff::Timestamp::now().as_second() - facts(None).time.as_second();
        assert!((0..60).contains(&age), "{age} s");
        let wrong = timestamp::verify(&token, b"something else", None);
        assert!(matches!(wrong, Err(TimestampError::Invalid(_))), "{wrong:?}");
        // OpenSSL takes the token for what we do.
        fs::write(dir.path().join("token"), &token).unwrap();
        fs::write(dir.path().join("data"), b"what was there").unwrap();
        openssl(dir.path(), "ts -verify -data data -in token -token_in -CAfile ca.pem");
    }
}

#[test]
fn no_byte_of_a_reply_can_change_what_it_says() {
    let dir = authority("rsa:2048", "sha256");
    let request = Request::new(b"bytes").unwrap();
    let whole = reply(dir.path(), &request.to_der().unwrap());
    let own = roots(dir.path());
    let facts = |token: &[u8]| timestamp::verify(token, b"bytes", Some(&own));
    let expected = facts(&request.token(&whole).unwrap()).unwrap();
    let mut refused = 0;
    for place in 0..whole.len() {
        for bit in [0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[place] ^= bit;
            match request.token(&bytes).and_then(|token| facts(&token)) {
                Err(_) => refused += 1,
                // Other certificates and texts beside the signed part.
                Ok(facts) => assert_eq!(
                    (facts.time, &facts.certificate_sha256, &facts.serial),
                    (expected.time, &expected.certificate_sha256, &expected.serial),
                    "byte {place}"
                ),
            }
        }
    }
    assert!(refused > whole.len(), "{refused} of {} refused", 2 * whole.len());
    for end in 0..whole.len() {
        assert!(request.token(&whole[..end]).is_err(), "the first {end} bytes");
    }
}

#[test]
fn certificates_for_other_uses_are_refused() {
    let dir = authority("rsa:2048", "sha256");
    let at = dir.path();
    let request = Request::new(b"bytes").unwrap();
    let token = request.token(&reply(at, &request.to_der().unwrap())).unwrap();
    fs::write(at.join("token"), token).unwrap();
    openssl(at, "cms -verify -noverify -inform DER -in token -out info -binary");
    // The same word, signed by whoever has a certificate.
    let signed_by = |name: &str| {
        openssl(
            at,
            &format!(
                "cms -sign -cades -binary -nodetach -md sha256 -outform DER -in info -out forged \
                 -econtent_type 1.2.840.113549.1.9.16.1.4 -signer {name}.pem -inkey {name}.key"
            ),
        );
        timestamp::verify(&fs::read(at.join("forged")).unwrap(), b"bytes", Some(&roots(at)))
    };
    assert_eq!(signed_by("tsa").unwrap().vouched, Vouched::Yes);
    let refused = signed_by("ca").unwrap_err().to_string();
    assert!(refused.contains("not one for time stamps"), "{refused}");
}

#[test]
fn a_sealed_folder_keeps_its_time_stamp_and_no_other() {
    let dir = authority("rsa:2048", "sha256");
    let ours = dir.path().to_owned();
    let url = serve(move |query| Some((200, reply(&ours, query))));
    let authority = Authority::new(&url);
    let key = SigningKey::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "content").unwrap();
    let seal_it = || {
        let request = SealRequest::new(folder.path(), &key).with_timestamp(&authority);
        let sealed = seal(&request.replacing(true)).unwrap();
        assert!(sealed.timestamped);
        assert!(!sealed.manifest.timestamp_authority.unwrap().contains("geheim"));
        fs::read_to_string(folder.path().join(SEAL_FILE)).unwrap()
    };
    let trusted = Trusted::named(key.public()).with_authorities(roots(dir.path()));
    let first = seal_it();
    let verified = verify(folder.path(), &trusted).unwrap();
    assert!(verified.findings.is_empty(), "{:?}", verified.findings);
    let stamp = verified.seal.unwrap().timestamp.unwrap();
    assert_eq!(stamp.vouched, Vouched::Yes);
    let nobody = verify(folder.path(), &Trusted::named(key.public())).unwrap();
    assert!(nobody.not_checked.join("\n").contains("authority"), "{:?}", nobody.not_checked);

    // As anybody can do with OpenSSL.
    let json: serde_json::Value = serde_json::from_str(&first).unwrap();
    fs::write(dir.path().join("signature"), json["signature"].as_str().unwrap()).unwrap();
    fs::write(dir.path().join("base64"), json["timestamp"]["token"].as_str().unwrap()).unwrap();
    openssl(dir.path(), "base64 -d -A -in base64 -out token");
    openssl(dir.path(), "ts -verify -data signature -in token -token_in -CAfile ca.pem");

    // Every byte of it is told.
    let start = first.find("\"timestamp\": {").unwrap();
    for place in start..first.len() {
        let mut bytes = first.clone().into_bytes();
        bytes[place] ^= 1;
        fs::write(folder.path().join(SEAL_FILE), bytes).unwrap();
        let findings = verify(folder.path(), &trusted).unwrap().findings;
        assert!(matches!(findings[..], [Finding::Seal { .. }]), "byte {place}: {findings:?}");
    }

    // That of another seal, put there as it is. Two seals of one second are the same bytes.
    std::thread::sleep(Duration::from_millis(1100));
    let second = seal_it();
    let other =
        format!("{}{}", &first[..start], &second[second.find("\"timestamp\": {").unwrap()..]);
    fs::write(folder.path().join(SEAL_FILE), other).unwrap();
    let verified = verify(folder.path(), &trusted).unwrap();
    let [Finding::Timestamp { why, .. }] = &verified.findings[..] else {
        panic!("{:?}", verified.findings)
    };
    assert!(why.contains("something else"), "{why}");
    assert!(verified.seal.unwrap().timestamp.is_none());
}

#[test]
fn without_a_reply_that_is_one_there_is_no_seal() {
    let dir = authority("rsa:2048", "sha256");
    let at = dir.path().to_owned();
    let old = reply(&at, &Request::new(b"old").unwrap().to_der().unwrap());
    let cnf = fs::read_to_string(at.join("tsa.cnf")).unwrap();
    let refusing = authority("rsa:2048", "sha256");
    let stricter = cnf.replace("digests = sha256", "digests = sha512");
    fs::write(refusing.path().join("tsa.cnf"), stricter).unwrap();
    let strict = refusing.path().to_owned();

    let key = SigningKey::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "content").unwrap();
    let why = |url: String| {
        let authority = Authority::new(url).with_patience(Duration::from_secs(2));
        let began = Instant::now();
        let request = SealRequest::new(folder.path(), &key).with_timestamp(&authority);
        let error = match seal(&request) {
            Err(error @ SealError::Timestamp(_)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(began.elapsed() < Duration::from_secs(20));
        assert!(!error.contains("geheim"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a seal is there");
        error
    };
    assert!(why(serve(move |_| Some((200, old.clone())))).contains("something else"));
    assert!(why(serve(|_| Some((200, b"<html>".to_vec())))).contains("no reply"));
    assert!(why(serve(|_| Some((503, Vec::new())))).contains("503"));
    assert!(why(serve(|_| None)).contains("timeout"));
    assert!(why(serve(move |query| Some((200, reply(&strict, query))))).contains("refused"));
    let closed = format!("127.0.0.1:{}", free_port());
    assert!(why(format!("http://{closed}/?token=geheim")).contains("refused"));
    assert!(why("nonsense".to_owned()).contains("nonsense"));
}

#[test]
fn an_answer_to_the_same_bytes_from_before_is_refused() {
    let dir = authority("rsa:2048", "sha256");
    let at = dir.path().to_owned();
    let old = reply(&at, &Request::new(b"same").unwrap().to_der().unwrap());
    let authority = Authority::new(serve(move |_| Some((200, old.clone()))));
    let error = authority.stamp(b"same").unwrap_err().to_string();
    assert!(error.contains("nonce"), "{error}");
}

#[test]
fn roots_are_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    for (content, expected) in [
        ("", "no certificate"),
        ("hello", "no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
    ] {
        fs::write(&path, content).unwrap();
        let error = Roots::read(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(Roots::read(&dir.path().join("none")).is_err());
}
