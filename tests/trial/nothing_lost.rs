//! Eight cameras for five minutes; the broker is away for one of them, and the process is killed and
//! started again: every event that was recorded is with the broker at the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstm2sd::events::spool::{Limits, Query};
use gstm2sd::events::{EventMaker, Spool};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};

use crate::PATIENCE;
use crate::cameras::Cameras;
use crate::servers::{self, Server};

const CAMERAS: usize = 8;

/// How often each event id came, by id.
type Received = Arc<Mutex<BTreeMap<String, usize>>>;

/// Subscribes for good: what is sent while it is away is kept for it.
fn subscribe(port: u16, received: &Received) {
    let received = Arc::clone(received);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut options = MqttOptions::new("trial", "127.0.0.1", port);
            options.set_clean_start(false);
            let properties = ConnectProperties {
                session_expiry_interval: Some(3600),
                ..ConnectProperties::new()
            };
            options.set_connect_properties(properties);
            let (client, mut events) = AsyncClient::new(options, 100);
            client.subscribe("trial/#", QoS::AtLeastOnce).await.unwrap();
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let Ok(event) =
                            serde_json::from_slice::<serde_json::Value>(&publish.payload)
                        else {
                            continue;
                        };
                        let Some(id) = event["id"].as_str().filter(|_| !publish.retain) else {
                            continue;
                        };
                        *received.lock().unwrap().entry(id.to_owned()).or_default() += 1;
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
                }
            }
        });
    });
}

fn watch(config: &Path, log: &Path) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_m2sd"));
    command.arg("watch").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().unwrap()
}

/// A broker whose disk has what it has acknowledged.
fn broker(folder: &Path) -> Server {
    let store = folder.join("broker");
    std::fs::create_dir_all(&store).unwrap();
    let more = format!(
        "allow_anonymous true\npersistence true\npersistence_location {}/\n\
         autosave_interval 1\nautosave_on_changes true\nuser root\n",
        store.display()
    );
    servers::mosquitto(folder, &more)
}

#[test]
#[ignore = "takes five minutes: make trial"]
fn every_event_arrives_whatever_is_killed() {
    let seconds: u64 =
        std::env::var("TRIAL_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(300);
    let part = |fraction: f64| Duration::from_secs_f64(seconds as f64 * fraction);
    let folder = tempfile::tempdir().unwrap();
    let cameras = Cameras::start(CAMERAS);
    let mut broker = broker(folder.path());
    let received = Received::default();
    subscribe(broker.port, &received);
    let state = folder.path().join("state");
    let engines = folder.path().join("engines");
    std::fs::create_dir_all(&engines).unwrap();
    for network in gstm2sd::models::synth::Synth::analytic() {
        gstm2sd::models::synth::write(&network, &engines).unwrap();
    }
    let mut config = format!(
        "[watch]\nname = \"trial\"\nstate-dir = {state:?}\n\
         [defaults.filter]\nengines-dir = {engines:?}\nprovider = \"cpu\"\nthreshold = 0.5\n\
         [[sink]]\nname = \"broker\"\nurl = \"mqtt://127.0.0.1:{}/trial\"\n",
        broker.port
    );
    for number in 0..CAMERAS {
        config += &format!(
            "[[camera]]\nid = \"camera-{number}\"\nuri = \"rtsp://127.0.0.1:{}/{number}\"\n\
             transport = \"tcp\"\n",
            cameras.port
        );
    }
    let (file, log) = (folder.path().join("watch.toml"), folder.path().join("watch.log"));
    std::fs::write(&file, config).unwrap();

    let mut process = watch(&file, &log);
    std::thread::sleep(part(0.2));
    let before = received.lock().unwrap().len();
    broker.kill();
    std::thread::sleep(part(0.1));
    // While the broker is away.
    process.kill().unwrap();
    process.wait().unwrap();
    process = watch(&file, &log);
    std::thread::sleep(part(0.1));
    let away = received.lock().unwrap().len();
    broker.restart();
    std::thread::sleep(part(0.3));
    // While it is there.
    process.kill().unwrap();
    process.wait().unwrap();
    process = watch(&file, &log);
    std::thread::sleep(part(0.3));
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(process.id() as i32).unwrap(),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    let stopping = Instant::now();
    let status = process.wait().unwrap();
    let log = std::fs::read_to_string(&log).unwrap();
    assert_eq!(status.code(), Some(143), "{log}");
    assert!(stopping.elapsed() < Duration::from_secs(7), "{:?}: {log}", stopping.elapsed());

    let made = recorded(&state.join("spool"));
    let waiting = Instant::now();
    let missing = || {
        let received = received.lock().unwrap();
        made.iter().filter(|id| !received.contains_key(*id)).cloned().collect::<Vec<_>>()
    };
    while !missing().is_empty() && waiting.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(100));
    }
    let received = received.lock().unwrap();
    let twice = received.values().filter(|times| **times > 1).count();
    eprintln!(
        "{} events were recorded, {} arrived, {twice} of them more than once; {before} before the \
         broker was killed, {away} when it came back",
        made.len(),
        received.len()
    );
    assert!(before > 50 && away <= before + 5, "{log}");
    assert!(made.len() > 300, "{}: {log}", made.len());
    drop(received);
    assert_eq!(missing(), [""; 0], "{log}");
}

/// The ids of every event that is in the spool.
fn recorded(folder: &Path) -> Vec<String> {
    let spool = Spool::open(folder, EventMaker::new("trial"), Limits::default()).unwrap();
    assert!(spool.set_aside().is_none());
    let query = Query { limit: 1_000_000, ..Query::default() };
    spool.recent(&query).unwrap().into_iter().map(|event| event.id.to_string()).collect()
}
