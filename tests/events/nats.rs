//! NATS JetStream against its server.

use futures_util::StreamExt;
use gstm2sd::events::{Event, EventId};

use crate::fixture::{Delivery, once};
use crate::servers::{Certificates, nats};
use crate::watchdog::Watchdog;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Everything that is in the stream: subjects and ids.
fn stored(address: &str, stream: &str) -> Vec<(String, EventId)> {
    block_on(async {
        let client = async_nats::connect(address).await.unwrap();
        let context = async_nats::jetstream::new(client);
        let mut stream = context.get_stream(stream).await.unwrap();
        let count = usize::try_from(stream.info().await.unwrap().state.messages).unwrap();
        let consumer = stream
            .create_consumer(async_nats::jetstream::consumer::pull::Config {
                ack_policy: async_nats::jetstream::consumer::AckPolicy::None,
                ..Default::default()
            })
            .await
            .unwrap();
        let messages = consumer.messages().await.unwrap().take(count);
        messages
            .map(|message| {
                let message = message.unwrap();
                let event: Event = serde_json::from_slice(&message.payload).unwrap();
                (message.subject.to_string(), event.id)
            })
            .collect()
            .await
    })
}

#[test]
fn a_stream_is_made_and_a_server_that_is_killed_and_comes_back_gets_every_event_once() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let mut server = nats(dir.path(), "");
    let plain = format!("nats://127.0.0.1:{}", server.port);
    let delivery = Delivery::to(&format!("{plain}/FACES"), &dir.path().join("spool"));
    let mut recorded = delivery.record(0..500);
    delivery.wait_until("some are delivered", |sink| sink.delivered > 50);
    server.kill();
    recorded.extend(delivery.record(500..1000));
    delivery.wait_until("the loss is noticed", |sink| sink.failures >= 1);
    server.restart();
    delivery.wait_until_delivered();
    recorded.extend(delivery.record(1000..1200));
    delivery.wait_until_delivered();

    let stored = stored(&plain, "FACES");
    let of_camera = stored.iter().filter(|(subject, _)| subject == "FACES.door.camera");
    let ids: Vec<_> = of_camera.map(|(_, id)| *id).collect();
    // The server tells repetitions by their ids, also of before it was killed.
    let (mut first, again) = once(&ids);
    assert_eq!(again, 0);
    first.sort_unstable();
    assert_eq!(first, recorded);
}

#[test]
fn users_and_tokens_are_asked_for_and_not_shown() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let server = nats(dir.path(), "authorization { user: bob, password: \"ge@heim\" }");
    let address = |user: &str| format!("nats://{user}127.0.0.1:{}/FACES", server.port);
    let spool = dir.path().join("spool");
    let mut delivery = Delivery::to(&address("bob:falsch@"), &spool);
    delivery.record(0..10);
    let error = delivery.error();
    assert!(error.contains("authorization violation") && !error.contains("falsch"), "{error}");
    delivery.stop();
    drop(delivery);
    let delivery = Delivery::to(&address("bob:ge%40heim@"), &spool);
    delivery.wait_until_delivered();
}

#[test]
fn a_server_without_jetstream_and_a_stream_of_other_subjects_are_told() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let server = nats(dir.path(), "");
    let plain = format!("nats://127.0.0.1:{}", server.port);
    block_on(async {
        let context = async_nats::jetstream::new(async_nats::connect(&plain).await.unwrap());
        let config = async_nats::jetstream::stream::Config {
            name: "OTHER".to_owned(),
            subjects: vec!["weather.>".to_owned()],
            ..Default::default()
        };
        context.create_stream(config).await.unwrap();
    });
    let delivery = Delivery::to(&format!("{plain}/OTHER"), &dir.path().join("a"));
    delivery.record(0..1);
    let error = delivery.error();
    assert!(error.contains("no stream takes the subjects OTHER.>"), "{error}");

    let port = crate::ports::free_port();
    let args = vec!["-a".to_owned(), "127.0.0.1".to_owned(), "-p".to_owned(), port.to_string()];
    let bare = crate::servers::Server::start("nats-server", args, port, dir.path());
    let address = format!("nats://127.0.0.1:{}/FACES", bare.port);
    let delivery = Delivery::to(&address, &dir.path().join("b"));
    delivery.record(0..1);
    let error = delivery.error();
    assert!(error.to_lowercase().contains("jetstream"), "{error}");
}

#[test]
fn tls_with_an_authority_of_ones_own() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(dir.path());
    let tls = format!(
        "tls {{ cert_file: {:?}, key_file: {:?} }}",
        certificates.certificate, certificates.key
    );
    let server = nats(dir.path(), &tls);
    let trusting =
        format!("natss://localhost:{}/FACES?ca={}", server.port, certificates.ca.display());
    let delivery = Delivery::to(&trusting, &dir.path().join("spool"));
    delivery.record(0..20);
    delivery.wait_until_delivered();

    let distrusting = format!("natss://localhost:{}/FACES", server.port);
    let delivery = Delivery::to(&distrusting, &dir.path().join("other"));
    delivery.record(0..1);
    let error = delivery.error();
    assert!(error.contains("UnknownIssuer") || error.contains("certificate"), "{error}");
}
