//! Real servers on free ports of the loopback, for one test each.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ports::free_port;

/// A server that ends with the test, or when it is killed.
pub struct Server {
    program: PathBuf,
    args: Vec<String>,
    pub port: u16,
    child: Option<Child>,
    log: PathBuf,
}

impl Server {
    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// Where it is not installed, or does not start.
    pub fn start(program: &str, args: Vec<String>, port: u16, folder: &Path) -> Self {
        let log = folder.join(format!("{program}.log"));
        let mut server = Self { program: find(program), args, port, child: None, log };
        server.restart();
        server
    }

    pub fn restart(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let child = Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && begun.elapsed() < crate::PATIENCE, "{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn said(&self) -> String {
        format!(
            "{} does not start: {}",
            self.program.display(),
            std::fs::read_to_string(&self.log).unwrap_or_default()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Debian has servers outside of the path of users.
fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut places = folders.map(|folder| folder.join(program));
    places.find(|place| place.is_file()).unwrap_or_else(|| {
        panic!("{program} is missing: run `make setup TEST=1`, or `apt-get install {program}`")
    })
}

/// Mosquitto, with a password and with TLS where a test has these.
pub fn mosquitto(folder: &Path, more: &str) -> Server {
    let port = free_port();
    let config = folder.join("mosquitto.conf");
    let text = format!(
        "listener {port} 127.0.0.1\nmax_queued_messages 0\nmax_inflight_messages 10000\n{more}\n"
    );
    std::fs::write(&config, text).unwrap();
    let args = vec!["-c".to_owned(), config.to_str().unwrap().to_owned()];
    Server::start("mosquitto", args, port, folder)
}

/// NATS with JetStream.
pub fn nats(folder: &Path, more: &str) -> Server {
    let port = free_port();
    let config = folder.join("nats.conf");
    let store = folder.join("jetstream");
    let text = format!("listen: 127.0.0.1:{port}\njetstream {{ store_dir: {store:?} }}\n{more}\n");
    std::fs::write(&config, text).unwrap();
    let args = vec!["-c".to_owned(), config.to_str().unwrap().to_owned()];
    Server::start("nats-server", args, port, folder)
}

/// A certificate authority made for one test, and a server's certificate for the loopback.
pub struct Certificates {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificates {
    pub fn make(folder: &Path) -> Self {
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let mut ca = rcgen::CertificateParams::default();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        ca.distinguished_name.push(rcgen::DnType::CommonName, "an authority of this test");
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let issuer = rcgen::Issuer::new(ca, ca_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate =
            rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        Self {
            ca: write("ca.pem", ca_certificate.pem()),
            certificate: write("server.pem", certificate.pem()),
            key: write("server.key", key.serialize_pem()),
        }
    }
}
