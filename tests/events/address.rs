//! Addresses: what is refused, and that nothing secret is shown.

use gstm2sd::events::sinks::{self, Sinks};

use crate::open;

fn error(address: &str) -> String {
    sinks::parse(address).expect_err(address).to_string()
}

#[test]
fn errors_say_what_was_found_and_what_is_expected() {
    for (address, parts) in [
        ("events.jsonl", &["no scheme", "expected file:///"][..]),
        ("gopher://host/x", &["gopher is unknown", "mqtts://"]),
        ("file://events.jsonl", &["no absolute path", "file:///absolute"]),
        ("file:events.jsonl", &["no absolute path"]),
        ("file:///var/log/", &["names no file"]),
        ("file:///a.jsonl?max-bytes=1e9", &["max-bytes=1e9", "whole number from 4096"]),
        ("file:///a.jsonl?keep=0", &["keep=0", "from 1 to 1000"]),
        ("file:///a.jsonl?sync=maybe", &["sync=maybe", "yes or no"]),
        (
            "file:///a.jsonl?rotate=daily",
            &["unknown parameter \"rotate\"", "max-bytes, keep, sync"],
        ),
        ("stdout:here", &["behind the colon"]),
        ("stdout:?types=clip,alarm", &["types=clip,alarm", "track-end, alert"]),
        ("stdout:?cameras=a,b/c", &["cameras=a,b/c", "\"b/c\" is no camera id"]),
        ("mqtt://host", &["names no topic", "mqtt://user@host:1883/topic-prefix"]),
        ("mqtt://host/a/#", &["behind #"]),
        ("mqtt://host/a@b", &["%40 for @"]),
        ("mqtt://host/a/+/b", &["without +"]),
        ("mqtt:///topic", &["names no host"]),
        ("mqtt://host:port/topic", &["invalid port"]),
        ("nats://host/a.b", &["name of a stream"]),
        ("http://user@host/x", &["a user or a password", "token-env"]),
        ("https://host/x?ca=/nowhere.pem", &["/nowhere.pem"]),
        ("https://host/x?secret=abc", &["unknown parameter \"secret\"", "secret-env"]),
        ("https://host/x?batch=2&batch=3", &["batch stands there twice"]),
        ("https://host/x?secret-env=M2SD_NOT_SET", &["M2SD_NOT_SET is not set"]),
        ("https://host/x?secret-file=/nowhere", &["cannot read the secret in /nowhere"]),
    ] {
        let error = error(address);
        for part in parts {
            assert!(error.contains(part), "{address}: {error:?} lacks {part:?}");
        }
    }
    #[cfg(feature = "kafka")]
    for (address, part) in [
        ("kafka://a:1,,b:2/t", "names no host"),
        ("kafka://a:9092", "a topic is expected"),
        ("kafka://a/x%20y", "a topic is expected"),
    ] {
        assert!(error(address).contains(part), "{}", error(address));
    }
}

#[test]
fn names_are_addresses_without_users_and_parameters() {
    for (address, name) in [
        ("stdout:", "stdout:"),
        ("file:///var/log/m2sd.jsonl?keep=3", "file:///var/log/m2sd.jsonl"),
        ("mqtt://bob:geheim@broker:1884/faces?client-id=x", "mqtt://broker:1884/faces"),
        ("nats://[::1]:4222/M2SD", "nats://[::1]:4222/M2SD"),
        ("https://host/hook?types=alert&batch=5", "https://host/hook"),
        ("https://host/hook?name=siren", "siren"),
    ] {
        assert_eq!(sinks::parse(address).unwrap().name(), name);
    }
    let dir = tempfile::tempdir().unwrap();
    let twice = ["stdout:", "stdout:?types=alert"].map(|a| sinks::parse(a).unwrap()).to_vec();
    let error = Sinks::start(&open(dir.path()), twice).unwrap_err().to_string();
    assert!(error.contains("two sinks have the name stdout:"), "{error}");
}

#[test]
fn nothing_secret_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "geheim\n").unwrap();
    let key = key.to_str().unwrap();
    let mut addresses = vec![
        "mqtt://bob:geheim@host/topic".to_owned(),
        "mqtt://bob:ge%68eim@host/topic".to_owned(),
        "nats://bob:geheim@host/S".to_owned(),
        "https://host/services/T012/a1geheim2b3c4d5e6f".to_owned(),
        format!("nats://bob@host/S?password-file={key}"),
        format!("https://host/x?secret-file={key}"),
        format!("https://host/x?token-file={key}"),
    ];
    if cfg!(feature = "kafka") {
        addresses.push("kafka://bob:geheim@a:1,b:2/t".to_owned());
    }
    // A character that ends the password, where it was not encoded.
    for address in [
        "mqtt://bob:ge/heim@host/topic",
        "mqtt://bob:ge?heim@host/topic",
        "mqtt://bob:ge#heim@host/topic",
        "nats://bob:1/heim@host/S",
        "nats://bob:1?x=heim@host/S",
        "https://bob:ge/heim@host/x",
    ] {
        let error = sinks::parse(address).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(!told.contains("heim") && !told.contains("bob"), "{told}");
        assert!(told.contains("%2F, %3F and %23"), "{told}");
    }
    for address in addresses {
        let config = sinks::parse(&address).unwrap();
        assert!(!format!("{config:?}").contains("geheim"), "{config:?}");
        // With an error at each place of the address.
        let separator = if address.contains('?') { '&' } else { '?' };
        for spoiled in [
            format!("{address}{separator}nonsense=1"),
            format!("{address}{separator}types=none"),
            address.replace("host", ":::"),
            address.replacen("://", "x://", 1),
            format!("{address}#x"),
        ] {
            if let Err(error) = sinks::parse(&spoiled) {
                let told = format!("{error} {error:?}");
                assert!(!told.contains("geheim") && !told.contains("ge%68eim"), "{told}");
            }
        }
    }
}
