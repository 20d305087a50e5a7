//! The socket, the connections, and their end.

use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::clients::Connection;
use super::config::{HttpConfig, HttpError};
use super::guard::ClientAddress;
use super::routes::{App, router};
use crate::events::Spool;
use crate::watch::control::Control;

/// Connections of all clients together.
const CONNECTIONS: usize = 512;
/// A request's head must come within this time, and the next request of a connection too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest head.
const HEAD_BYTES: usize = 16 * 1024;
/// How long answers that have begun may take after the order to stop.
const GRACE: Duration = Duration::from_secs(1);
/// Before the next try where no connection can be taken: no file descriptor is free, say.
const PAUSE: Duration = Duration::from_millis(100);

/// A server that listens, and answers once it is served.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: App,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// When the address cannot be had, the token cannot be had or is too weak, or there is none although
    /// other machines can connect.
    pub fn bind(
        config: &HttpConfig,
        control: Arc<dyn Control>,
        spool: Arc<Spool>,
    ) -> Result<Self, HttpError> {
        let token = config.token()?;
        let fails = |source| HttpError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).map_err(fails)?;
        listener.set_nonblocking(true).map_err(fails)?;
        let address = listener.local_addr().map_err(fails)?;
        let (stop, stopped) = watch::channel(false);
        let app = App::new(config, address, token, control, spool, stopped);
        Ok(Self { listener, address, app, stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a browser on this machine finds the page.
    pub fn page(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            let loopback = if address.is_ipv4() { "127.0.0.1" } else { "::1" };
            address.set_ip(loopback.parse().unwrap_or(address.ip()));
        }
        format!("http://{address}/")
    }

    /// Answers until `shutdown` is ready; answers that have begun have a second more.
    ///
    /// # Errors
    /// When the socket cannot be used any more.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> std::io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let router = router(self.app.clone());
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            // Those that have ended are taken off, so that the set does not grow.
            while connections.try_join_next().is_some() {}
            tokio::select! {
                () = &mut shutdown => break,
                _ = connections.join_next(), if connections.len() >= CONNECTIONS => {}
                accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok((stream, from)) => {
                        // Without a place the client sees that the connection ends at once.
                        let clients = &self.app.clients;
                        if let Some(place) = clients.connect(from.ip(), Instant::now()) {
                            let stop = self.stop.subscribe();
                            connections.spawn(answer(stream, from, router.clone(), stop, place));
                        }
                    }
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        }
        drop(listener);
        self.stop.send_replace(true);
        let _ =
            tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} })
                .await;
        connections.shutdown().await;
        Ok(())
    }
}

/// Answers the requests of one connection.
async fn answer(
    stream: TcpStream,
    from: SocketAddr,
    router: Router,
    mut stop: watch::Receiver<bool>,
    _place: Connection,
) {
    // Frames leave at once; where that cannot be set, they leave a little later.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let with_client = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ClientAddress(from.ip()));
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), with_client);
    let mut connection = pin!(connection);
    // How a connection ends is the client's matter: it may go at any time.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = async { drop(stop.wait_for(|stop| *stop).await) } => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
