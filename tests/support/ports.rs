//! Ports for servers of a test, and for what is to find nobody there.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that Linux hands out to whoever asks for any: nobody else comes by one of these between now and
/// when it is used, and no client connects to itself there.
const FIRST: u16 = 12_000;
const PORTS: u16 = 20_000;

/// A port of the loopback that nobody listens on, another one for each call.
pub fn free_port() -> u16 {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    // Two test programs that run beside each other begin elsewhere.
    let begin = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap();
    let is_free = |port: &u16| {
        let at = (Ipv4Addr::LOCALHOST, *port);
        TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok()
    };
    let mut ports = (0..PORTS).map(|_| {
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        // Processes that start one after the other have numbers side by side.
        let step = u32::from(begin) * 37 + u32::from(call);
        FIRST + u16::try_from(step % u32::from(PORTS)).unwrap()
    });
    ports.find(is_free).expect("a free port")
}
