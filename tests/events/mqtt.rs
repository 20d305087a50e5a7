//! MQTT against Mosquitto.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstm2sd::events::{Event, EventId};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Client, Event as Told, MqttOptions, RecvTimeoutError};

use crate::fixture::{Delivery, once};
use crate::servers::{Certificates, Server, mosquitto};
use crate::watchdog::Watchdog;

/// A topic and what was said there.
type Message = (String, Vec<u8>);

/// For how long nothing comes before what came is confirmed. A broker that is killed has sent what it confirmed
/// to us, and keeps that on the disk a moment later: it is lost if a client writes to a broker that is gone
/// before it reads what lies in its connection.
const QUIET: Duration = Duration::from_secs(1);

/// What somebody who subscribes to everything gets.
#[derive(Clone)]
struct Subscriber {
    messages: Arc<Mutex<Vec<Message>>>,
}

impl Subscriber {
    /// Comes back after the broker was away; its session stays there.
    fn new(port: u16) -> Self {
        let mut options = MqttOptions::new(format!("subscriber-{port}"), "127.0.0.1", port);
        options.set_clean_start(false);
        options.set_session_expiry_interval(Some(600));
        options.set_manual_acks(true);
        options.set_keep_alive(Duration::from_secs(5));
        let (client, mut connection) = Client::new(options, 10_000);
        let (messages, subscribed) =
            (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(false)));
        let subscriber = Self { messages: Arc::clone(&messages) };
        let is_subscribed = Arc::clone(&subscribed);
        std::thread::spawn(move || {
            let mut unconfirmed = Vec::new();
            loop {
                match connection.recv_timeout(QUIET) {
                    Ok(Ok(Told::Incoming(Packet::ConnAck(_)))) => {
                        client.try_subscribe("#", QoS::AtLeastOnce).unwrap();
                    }
                    Ok(Ok(Told::Incoming(Packet::SubAck(_)))) => *subscribed.lock().unwrap() = true,
                    Ok(Ok(Told::Incoming(Packet::Publish(message)))) => {
                        // What the broker says again of itself tells nothing of whoever told it.
                        let topic = String::from_utf8(message.topic.to_vec()).unwrap();
                        let told = (topic, message.payload.to_vec());
                        let mut messages = messages.lock().unwrap();
                        if !message.dup || !messages.contains(&told) {
                            messages.push(told);
                        }
                        unconfirmed.push(message);
                    }
                    Ok(Ok(_)) => {}
                    Ok(Err(_)) => {
                        unconfirmed.clear();
                        std::thread::sleep(Duration::from_millis(100));
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        unconfirmed.drain(..).for_each(|m| client.try_ack(&m).unwrap());
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        wait("the subscription", || *is_subscribed.lock().unwrap());
        subscriber
    }

    fn on(&self, topic: &str) -> Vec<Vec<u8>> {
        let messages = self.messages.lock().unwrap();
        let on_topic = messages.iter().filter(|(found, _)| found == topic);
        on_topic.map(|(_, payload)| payload.clone()).collect()
    }

    fn ids(&self, topic: &str) -> Vec<EventId> {
        let events = self.on(topic);
        events.iter().map(|json| serde_json::from_slice::<Event>(json).unwrap().id).collect()
    }
}

fn wait(what: &str, fulfilled: impl FnMut() -> bool) {
    assert!(comes(fulfilled), "not within {:?}: {what}", crate::PATIENCE);
}

/// Whether it comes in time.
fn comes(mut fulfilled: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !fulfilled() {
        if begun.elapsed() >= crate::PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

fn open_to_all(folder: &Path) -> Server {
    mosquitto(folder, "allow_anonymous true")
}

#[test]
fn events_states_and_the_last_will_are_on_their_topics() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let broker = open_to_all(dir.path());
    let subscriber = Subscriber::new(broker.port);
    let address = format!("mqtt://127.0.0.1:{}/site/faces", broker.port);
    let mut delivery = Delivery::to(&address, &dir.path().join("spool"));
    let recorded = delivery.record(0..200);
    delivery.wait_until_delivered();
    wait("200 events", || subscriber.on("site/faces/door/camera").len() >= 200);
    assert_eq!(once(&subscriber.ids("site/faces/door/camera")), (recorded.clone(), 0));
    wait("200 states", || subscriber.on("site/faces/door/status").len() >= 200);

    // Whoever comes later finds the newest state.
    let mut options = MqttOptions::new("late", "127.0.0.1", broker.port);
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut connection) = Client::new(options, 10);
    client.subscribe("site/faces/+/status", QoS::AtLeastOnce).unwrap();
    let retained = connection.iter().find_map(|told| match told.unwrap() {
        Told::Incoming(Packet::Publish(message)) => Some(message),
        _ => None,
    });
    let state: Event = serde_json::from_slice(&retained.unwrap().payload).unwrap();
    assert_eq!(state.id, recorded[199]);

    delivery.stop();
    let online = "site/faces/test/online";
    wait("an orderly end", || subscriber.on(online).len() >= 2);
    assert_eq!(subscriber.on(online), [b"true".to_vec(), b"false".to_vec()]);
}

#[test]
fn the_last_will_is_said_for_who_is_gone() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let broker = open_to_all(dir.path());
    let subscriber = Subscriber::new(broker.port);
    let address = format!("mqtt://127.0.0.1:{}/faces", broker.port);
    let delivery = Delivery::to(&address, &dir.path().join("spool"));
    wait("it is online", || subscriber.on("faces/test/online") == [b"true".to_vec()]);
    // Its connections end as those of a process that was killed.
    drop(delivery);
    wait("the will", || subscriber.on("faces/test/online").len() >= 2);
    assert_eq!(subscriber.on("faces/test/online")[1], b"false");
}

#[test]
fn a_broker_that_is_killed_and_comes_back_gets_every_event() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    // Its memory is on the disk, since it is killed.
    let store = format!(
        "allow_anonymous true\npersistence true\npersistence_location {}/\nautosave_interval 1\n\
         autosave_on_changes true",
        dir.path().display()
    );
    let mut broker = mosquitto(dir.path(), &store);
    let subscriber = Subscriber::new(broker.port);
    let address = format!("mqtt://127.0.0.1:{}/faces", broker.port);
    let delivery = Delivery::to(&address, &dir.path().join("spool"));
    let mut recorded = delivery.record(0..500);
    wait("some have come", || subscriber.on("faces/door/camera").len() > 50);
    broker.kill();
    recorded.extend(delivery.record(500..1000));
    delivery.wait_until("the loss is noticed", |sink| sink.failures >= 1);
    recorded.extend(delivery.record(1000..1500));
    broker.restart();
    delivery.wait_until_delivered();
    recorded.extend(delivery.record(1500..2000));
    delivery.wait_until_delivered();
    let missing = || {
        let found: HashSet<_> = subscriber.ids("faces/door/camera").into_iter().collect();
        (0..recorded.len()).filter(|n| !found.contains(&recorded[*n])).collect::<Vec<_>>()
    };
    assert!(comes(|| missing().is_empty()), "missing: {:?}", missing());
    let (first, again) = once(&subscriber.ids("faces/door/camera"));
    assert_eq!(first, recorded);
    assert!(again < 200, "{again} came again");
}

#[test]
fn a_wrong_password_is_told_without_it() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let passwords = dir.path().join("passwords");
    let made = std::process::Command::new("mosquitto_passwd")
        .args(["-c", "-b", passwords.to_str().unwrap(), "bob", "ge@heim/"])
        .status()
        .expect("mosquitto_passwd, of the package mosquitto");
    assert!(made.success());
    // It runs as another user if it is started by root.
    let config = format!("allow_anonymous false\npassword_file {}", passwords.display());
    std::process::Command::new("chmod").args(["-R", "a+rX"]).arg(dir.path()).status().unwrap();
    let broker = mosquitto(dir.path(), &config);
    let address = |password: &str| format!("mqtt://bob:{password}@127.0.0.1:{}/faces", broker.port);
    let spool = dir.path().join("spool");
    let mut delivery = Delivery::to(&address("falsch"), &spool);
    delivery.record(0..10);
    let error = delivery.error();
    assert!(error.contains("refuses the user or the password"), "{error}");
    delivery.wait_until("it is told", |sink| sink.failures >= 2);
    delivery.stop();
    assert!(delivery.spool.flush(crate::PATIENCE));
    let events = delivery.spool.read_after(0, 100).unwrap();
    assert!(events.iter().all(|stored| !stored.json.contains("falsch")));
    assert!(events.iter().any(|stored| stored.json.contains("refuses the user")));
    drop(delivery);

    // The right one, percent-encoded, delivers what waited.
    let delivery = Delivery::to(&address("ge%40heim%2F"), &spool);
    delivery.wait_until_delivered();
    assert!(delivery.sink().delivered >= 10);
}

#[test]
fn tls_with_an_authority_of_ones_own() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(dir.path());
    std::process::Command::new("chmod").args(["-R", "a+rX"]).arg(dir.path()).status().unwrap();
    let config = format!(
        "allow_anonymous true\ncertfile {}\nkeyfile {}",
        certificates.certificate.display(),
        certificates.key.display()
    );
    let broker = mosquitto(dir.path(), &config);
    let trusting =
        format!("mqtts://localhost:{}/faces?ca={}", broker.port, certificates.ca.display());
    let delivery = Delivery::to(&trusting, &dir.path().join("spool"));
    delivery.record(0..20);
    delivery.wait_until_delivered();

    // The system's authorities do not vouch for it.
    let distrusting = format!("mqtts://localhost:{}/faces", broker.port);
    let delivery = Delivery::to(&distrusting, &dir.path().join("other"));
    delivery.record(0..1);
    let error = delivery.error();
    assert!(error.contains("UnknownIssuer") || error.contains("certificate"), "{error}");
    assert_eq!(delivery.sink().delivered, 0);
}
