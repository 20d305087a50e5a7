//! How much one address may ask for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A bucket of requests, and the open connections, of every address.
pub(super) struct Clients {
    per_second: f64,
    of: Mutex<HashMap<IpAddr, Client>>,
}

struct Client {
    /// Requests that it may make at once.
    left: f64,
    at: Instant,
    connections: u32,
}

/// An open connection.
pub(super) struct Connection {
    clients: Arc<Clients>,
    address: IpAddr,
}

impl Clients {
    /// Connections that one address may have. Browsers have six to a server.
    const CONNECTIONS: u32 = 128;
    /// Seconds of requests that may come at once.
    const BURST: f64 = 4.0;
    /// Addresses that are remembered before those that are quiet are forgotten.
    const MANY: usize = 4096;

    pub(super) fn new(per_second: NonZeroU32) -> Self {
        Self { per_second: f64::from(per_second.get()), of: Mutex::default() }
    }

    /// Takes `cost` requests from an address's bucket. False: it has used up what it may.
    pub(super) fn allow(&self, address: IpAddr, cost: f64, now: Instant) -> bool {
        self.with(address, now, |client| {
            let allowed = client.left >= cost.min(1.0);
            // Costly ones may leave a debt, so that what is wrong again and again is slow.
            client.left -= if allowed { cost } else { 0.0 };
            allowed
        })
    }

    /// Counts a connection. `None`: the address has too many.
    pub(super) fn connect(self: &Arc<Self>, address: IpAddr, now: Instant) -> Option<Connection> {
        let address = network(address);
        let allowed = self.with(address, now, |client| {
            let allowed = client.connections < Self::CONNECTIONS;
            client.connections += u32::from(allowed);
            allowed
        });
        allowed.then(|| Connection { clients: Arc::clone(self), address })
    }

    fn with<T>(&self, address: IpAddr, now: Instant, change: impl FnOnce(&mut Client) -> T) -> T {
        let full = self.per_second * Self::BURST;
        let mut clients = self.lock();
        if clients.len() >= Self::MANY {
            clients.retain(|_, client| {
                client.refill(self.per_second, full, now);
                client.connections > 0 || client.left < full
            });
        }
        let new = || Client { left: full, at: now, connections: 0 };
        let client = clients.entry(network(address)).or_insert_with(new);
        client.refill(self.per_second, full, now);
        change(client)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Client>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    fn refill(&mut self, per_second: f64, full: f64, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + seconds * per_second).min(full);
        self.at = now;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(client) = self.clients.lock().get_mut(&self.address) {
            client.connections = client.connections.saturating_sub(1);
        }
    }
}

/// What one client can choose its address from: a /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & (u128::MAX << 64)).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::time::Duration;

    use super::*;

    const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    fn clients() -> Arc<Clients> {
        Arc::new(Clients::new(NonZeroU32::new(10).unwrap()))
    }

    #[test]
    fn an_address_gets_its_rate_after_its_burst() {
        let (clients, now) = (clients(), Instant::now());
        assert_eq!((0..100).filter(|_| clients.allow(ONE, 1.0, now)).count(), 40);
        assert!(clients.allow(OTHER, 1.0, now), "others are not affected");
        let later = now + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| clients.allow(ONE, 1.0, later)).count(), 10);
    }

    #[test]
    fn what_costs_much_leaves_a_debt() {
        let (clients, now) = (clients(), Instant::now());
        assert_eq!((0..100).filter(|_| clients.allow(ONE, 30.0, now)).count(), 2);
        assert!(!clients.allow(ONE, 1.0, now + Duration::from_secs(2)));
        assert!(clients.allow(ONE, 1.0, now + Duration::from_secs(3)));
    }

    #[test]
    fn connections_are_counted_until_they_end() {
        let (clients, now) = (clients(), Instant::now());
        let mut open: Vec<_> = (0..128).filter_map(|_| clients.connect(ONE, now)).collect();
        assert_eq!(open.len(), 128);
        assert!(clients.connect(ONE, now).is_none());
        open.pop();
        assert!(clients.connect(ONE, now).is_some());
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let (clients, now) = (clients(), Instant::now());
        let address = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
        assert_eq!((0..100).filter(|n| clients.allow(address(*n), 1.0, now)).count(), 40);
    }

    #[test]
    fn quiet_addresses_are_forgotten() {
        let (clients, now) = (clients(), Instant::now());
        let address = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(n));
        let _open = clients.connect(ONE, now);
        (0..4096).for_each(|n| assert!(clients.allow(address(n), 1.0, now)));
        let later = now + Duration::from_secs(10);
        assert!(clients.allow(OTHER, 1.0, later));
        assert_eq!(clients.lock().len(), 2, "the one with a connection, and the new one");
    }
}
