//! Kafka against the mock cluster of librdkafka.

use std::time::{Duration, Instant};

use gstm2sd::events::{Event, EventId};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;

use crate::fixture::{Delivery, once};
use crate::watchdog::Watchdog;

fn read(brokers: &str, topic: &str, count: usize) -> Vec<EventId> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "test")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let mut ids = Vec::new();
    let begun = Instant::now();
    while once(&ids).0.len() < count {
        assert!(begun.elapsed() < crate::PATIENCE, "only {} came", ids.len());
        let Some(message) = consumer.poll(Duration::from_secs(1)) else { continue };
        let message = message.unwrap();
        let event: Event = serde_json::from_slice(message.payload().unwrap()).unwrap();
        let header = message.headers().unwrap().get(0);
        assert_eq!(header.key, "id");
        assert_eq!(header.value, Some(event.id.to_string().as_bytes()));
        // What the sink says of itself has no camera.
        if let Some(camera) = event.camera {
            assert_eq!(message.key(), Some(camera.as_str().as_bytes()));
            ids.push(event.id);
        }
    }
    ids
}

#[test]
fn every_event_is_in_the_topic_in_order_also_when_brokers_were_away() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let cluster = MockCluster::new(2).unwrap();
    cluster.create_topic("faces", 3, 2).unwrap();
    let brokers = cluster.bootstrap_servers();
    let mut delivery = Delivery::to(&format!("kafka://{brokers}/faces"), &dir.path().join("spool"));
    let mut recorded = delivery.record(0..500);
    delivery.wait_until("some are delivered", |sink| sink.delivered > 0);
    for broker in [1, 2] {
        cluster.broker_down(broker).unwrap();
    }
    recorded.extend(delivery.record(500..1000));
    std::thread::sleep(Duration::from_secs(2));
    assert!(delivery.sink().depth > 0, "{:?}", delivery.sink());
    for broker in [1, 2] {
        cluster.broker_up(broker).unwrap();
    }
    delivery.wait_until_delivered();
    recorded.extend(delivery.record(1000..1100));
    delivery.wait_until_delivered();
    // One camera's events are in one partition.
    let (first, _) = once(&read(&brokers, "faces", 1100));
    assert_eq!(first, recorded);
    delivery.stop();
}

#[test]
fn brokers_that_are_not_there_are_told() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let port = crate::ports::free_port();
    let address = format!("kafka://127.0.0.1:{port}/faces");
    let mut delivery = Delivery::to(&address, dir.path());
    delivery.record(0..3);
    let error = delivery.error();
    assert!(error.contains(&format!("is one of 127.0.0.1:{port} there")), "{error}");
    assert_eq!(delivery.sink().delivered, 0);
    delivery.stop();
}
