//! Webhooks: signatures, refusals, receivers that are slow or away.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstm2sd::events::{Event, EventId};
use hmac::{Hmac, KeyInit, Mac};

use crate::fixture::{Delivery, once};
use crate::watchdog::Watchdog;

/// A request, and when it came.
struct Request {
    head: String,
    body: String,
    at: Instant,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn id(&self) -> EventId {
        serde_json::from_str::<Event>(&self.body).unwrap().id
    }
}

/// Answers each request as it is told: status, further headers, after how long.
struct Hook {
    address: String,
    requests: Receiver<Request>,
}

type Answer = (&'static str, &'static str, Duration);

const OK: Answer = ("204 No Content", "", Duration::ZERO);

impl Hook {
    /// The answers in order; then all are taken.
    fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/hook", listener.local_addr().unwrap());
        let (tell, requests) = channel();
        let answers = Arc::new(Mutex::new(answers.into_iter()));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (tell, answers) = (tell.clone(), Arc::clone(&answers));
                let answer = move || answers.lock().unwrap().next().unwrap_or(OK);
                std::thread::spawn(move || serve(&stream.unwrap(), &tell, answer));
            }
        });
        Self { address, requests }
    }

    fn next(&self) -> Request {
        self.requests.recv_timeout(crate::PATIENCE).expect("a request comes")
    }
}

fn serve(stream: &TcpStream, tell: &Sender<Request>, answer: impl Fn() -> Answer) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let mut request = Request { head, body: String::new(), at: Instant::now() };
        let length = request.header("content-length").unwrap().trim().parse().unwrap();
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        request.body = String::from_utf8(body).unwrap();
        let (status, headers, wait) = answer();
        let _ = tell.send(request);
        std::thread::sleep(wait);
        let text = format!("HTTP/1.1 {status}\r\n{headers}content-length: 5\r\n\r\nsorry");
        let text = if status.starts_with("204") {
            "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
        } else {
            text
        };
        if (&mut &*stream).write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

/// With the lines of the documentation.
fn check_as_documented(request: &Request, secret: &str) -> String {
    let text = include_str!("../../docs/events.md");
    let lines = text.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let call = "import sys\nprint(is_genuine(*(a.encode() if i != 1 else a for i, a in enumerate(sys.argv[1:]))))";
    let checked = std::process::Command::new("python3")
        .args(["-c", &format!("{lines}\n{call}")])
        .args([&request.body, request.header("m2sd-signature").unwrap(), secret])
        .output()
        .expect("python3, which make setup needs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    String::from_utf8(checked.stdout).unwrap().trim().to_owned()
}

#[test]
fn each_event_is_posted_once_in_order_with_a_signature_that_fits() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let (secret, token) = (dir.path().join("secret"), dir.path().join("token"));
    std::fs::write(&secret, "geheim\n").unwrap();
    std::fs::write(&token, "pass-me").unwrap();
    let hook = Hook::new(vec![]);
    let address =
        format!("{}?secret-file={}&token-file={}", hook.address, secret.display(), token.display());
    let mut delivery = Delivery::to(&address, &dir.path().join("spool"));
    let recorded = delivery.record(0..30);
    let mut arrived = Vec::new();
    for _ in 0..30 {
        let request = hook.next();
        assert!(request.head.starts_with("POST /hook HTTP/1.1"), "{}", request.head);
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("authorization"), Some("Bearer pass-me"));
        let signature = request.header("m2sd-signature").unwrap();
        let (time, signature) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"geheim").unwrap();
        mac.update(format!("{time}.{}", request.body).as_bytes());
        let expected: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(signature, expected);
        if arrived.is_empty() {
            assert_eq!(check_as_documented(&request, "geheim"), "True");
            assert_eq!(check_as_documented(&request, "falsch"), "False");
        }
        arrived.push(request.id());
    }
    assert_eq!(arrived, recorded);
    delivery.wait_until_delivered();
    delivery.stop();
    assert_eq!(delivery.sink().failures, 0);
}

#[test]
fn errors_of_the_receiver_are_tried_again_when_it_wants_them() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let hook = Hook::new(vec![
        ("500 Internal Server Error", "", Duration::ZERO),
        ("429 Too Many Requests", "retry-after: 3\r\n", Duration::ZERO),
        ("401 Unauthorized", "", Duration::ZERO),
    ]);
    let delivery = Delivery::to(&hook.address, dir.path());
    let recorded = delivery.record(0..1);
    let requests: Vec<_> = (0..4).map(|_| hook.next()).collect();
    assert!(requests.iter().all(|request| request.id() == recorded[0]));
    let waited = requests[2].at - requests[1].at;
    assert!(waited >= Duration::from_secs(3), "{waited:?}");
    delivery.wait_until("it is delivered", |sink| sink.delivered >= 1);
    assert_eq!((delivery.sink().failures, delivery.sink().dropped), (3, 0));
}

#[test]
fn a_receiver_that_answers_too_late_is_asked_again() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let hook = Hook::new(vec![("204 No Content", "", Duration::from_secs(3)), OK, OK]);
    let mut delivery = Delivery::to(&format!("{}?timeout=1", hook.address), dir.path());
    let recorded = delivery.record(0..2);
    let ids: Vec<_> = (0..3).map(|_| hook.next().id()).collect();
    assert_eq!(ids, [recorded[0], recorded[0], recorded[1]]);
    delivery.wait_until_delivered();
    delivery.stop();
}

#[test]
fn a_request_that_is_under_way_does_not_hold_the_stop() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let hook = Hook::new(vec![("204 No Content", "", Duration::from_secs(8))]);
    let mut delivery = Delivery::to(&hook.address, dir.path());
    let recorded = delivery.record(0..1);
    assert_eq!(hook.next().id(), recorded[0]);
    delivery.stop();
    // It was not confirmed, so that it comes again.
    drop(delivery);
    let delivery = Delivery::to(&hook.address, dir.path());
    assert_eq!(hook.next().id(), recorded[0]);
    delivery.wait_until_delivered();
}

#[test]
fn parameters_of_the_receivers_own_are_kept_secret() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let query = dir.path().join("query");
    std::fs::write(&query, "code=geheim&x=1\n").unwrap();
    let hook = Hook::new(vec![("500 Internal Server Error", "", Duration::ZERO)]);
    let address = format!("{}?query-file={}", hook.address, query.display());
    let delivery = Delivery::to(&address, &dir.path().join("spool"));
    delivery.record(0..1);
    let request = hook.next();
    assert!(request.head.starts_with("POST /hook?code=geheim&x=1 HTTP"), "{}", request.head);
    let error = delivery.error();
    assert!(error.contains("answered 500") && !error.contains("geheim"), "{error}");
    std::fs::write(&query, "code=ge heim\n").unwrap();
    let error = gstm2sd::events::sinks::parse(&address).unwrap_err().to_string();
    assert!(error.contains("percent-encoded") && !error.contains("heim"), "{error}");
}

#[test]
fn an_event_that_the_receiver_refuses_for_good_does_not_hold_the_others() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let bad = ("422 Unprocessable Entity", "", Duration::ZERO);
    let hook = Hook::new(vec![OK, bad, bad, bad, OK]);
    let delivery = Delivery::to(&hook.address, dir.path());
    let recorded = delivery.record(0..3);
    let ids: Vec<_> = (0..5).map(|_| hook.next().id()).collect();
    assert_eq!(ids, [recorded[0], recorded[1], recorded[1], recorded[1], recorded[2]]);
    delivery.wait_until("one is dropped", |sink| sink.dropped == 1 && sink.delivered >= 2);
    let text =
        delivery.spool.recent(&gstm2sd::events::spool::Query { limit: 50, ..Default::default() });
    let text = serde_json::to_string(&text.unwrap()).unwrap();
    assert!(text.contains("answered 422 Unprocessable Entity: sorry"), "{text}");
}

#[test]
fn batches_are_arrays() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let hook = Hook::new(vec![]);
    let delivery = Delivery::to(&format!("{}?batch=20", hook.address), dir.path());
    let recorded = delivery.record(0..100);
    delivery.wait_until_delivered();
    let mut arrived = Vec::new();
    while arrived.len() < 100 {
        let events: Vec<Event> = serde_json::from_str(&hook.next().body).unwrap();
        assert!(events.len() <= 20);
        arrived.extend(events.iter().map(|event| event.id));
    }
    assert_eq!(once(&arrived), (recorded, 0));
}
