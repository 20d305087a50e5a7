//! Real servers, and what stands between them and a client.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstm2sd::models::repository::{Backend, ExportOptions, export};

use crate::ports::free_port;

/// How long a server may take to be ready on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn packages() -> PathBuf {
    let packages = root().join(".servers");
    assert!(packages.is_dir(), "{} is needed: run make setup TEST=1", packages.display());
    packages
}

fn kserve(name: &str, model: &Path, http: u16, grpc: u16) -> Command {
    let mut command = Command::new("/usr/bin/python3");
    let server = root().join("tests/kserve/servers/kserve_server.py");
    command.arg(server).arg(name).arg(model).args([http.to_string(), grpc.to_string()]);
    command
}

/// A server that ends with this.
pub struct Server {
    command: Box<dyn Fn() -> Command + Send>,
    child: Child,
    http: u16,
    pub grpc: u16,
    /// A model repository, and what the server says.
    pub folder: tempfile::TempDir,
}

impl Server {
    fn start(
        folder: tempfile::TempDir,
        command: impl Fn(&Path, u16, u16) -> Command + Send + 'static,
    ) -> Self {
        let (http, grpc) = (free_port(), free_port());
        let path = folder.path().to_owned();
        let command = Box::new(move || {
            let mut command = command(&path, http, grpc);
            let log = std::fs::File::create(path.join("log")).unwrap();
            let errors = log.try_clone().unwrap();
            command.stdin(Stdio::null()).stdout(log).stderr(errors).env("M2SD_SERVERS", packages());
            command
        });
        let child = command().spawn().unwrap();
        let mut server = Self { command, child, http, grpc, folder };
        server.await_ready();
        server
    }

    /// Triton with these networks, as `m2sd models export-repository` writes them, but for who runs them:
    /// its Python back end, which is all that the package has.
    pub fn triton(models: &[&Path]) -> Self {
        Self::triton_with(models, &[])
    }

    /// The same with further options.
    pub fn triton_with(models: &[&Path], options: &[&str]) -> Self {
        let further: Vec<_> = options.iter().map(ToString::to_string).collect();
        let folder = tempfile::tempdir().unwrap();
        for model in models {
            let options = ExportOptions {
                backend: Backend::OnnxRuntime,
                largest_batch: 8.try_into().unwrap(),
                instances: 1.try_into().unwrap(),
            };
            let exported = export(model, folder.path(), &options).unwrap();
            let model = folder.path().join(&exported.name);
            let config = model.join("config.pbtxt");
            let text = std::fs::read_to_string(&config).unwrap();
            let python = text
                .replace("backend: \"onnxruntime\"", "backend: \"python\"")
                .replace("KIND_AUTO", "KIND_CPU");
            assert!(python.contains("backend: \"python\""), "{text}");
            std::fs::write(config, python).unwrap();
            let source = root().join("tests/kserve/servers/triton_model.py");
            std::fs::copy(source, model.join("1/model.py")).unwrap();
        }
        Self::start(folder, move |repository, http, grpc| {
            let triton = packages().join("pytriton/tritonserver");
            let mut command = Command::new(triton.join("bin/tritonserver"));
            command
                .arg(format!("--model-repository={}", repository.display()))
                .arg(format!("--backend-directory={}", triton.join("backends").display()))
                .args(["--http-address=127.0.0.1", "--grpc-address=127.0.0.1"])
                .args([format!("--http-port={http}"), format!("--grpc-port={grpc}")])
                .args(["--allow-metrics=false", "--exit-timeout-secs=2"])
                .args(&further)
                // Its stub takes the first python3 that it finds.
                .env("PATH", "/usr/bin:/bin");
            command
        })
    }

    /// KServe's own server with one network.
    pub fn kserve(name: &str, model: &Path) -> Self {
        let (name, model) = (name.to_owned(), model.to_owned());
        Self::start(tempfile::tempdir().unwrap(), move |_, http, grpc| {
            kserve(&name, &model, http, grpc)
        })
    }

    /// The same over TLS, for those who have the token. Returns the folder with `cert.pem`, too.
    pub fn secured(name: &str, model: &Path, token: &str) -> (Self, tempfile::TempDir) {
        let keys = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .current_dir(keys.path())
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::write(keys.path().join("token"), token).unwrap();
        let (name, model) = (name.to_owned(), model.to_owned());
        let folder = keys.path().to_owned();
        let server = Self::start(tempfile::tempdir().unwrap(), move |_, http, grpc| {
            let mut command = kserve(&name, &model, http, grpc);
            command.env("M2SD_TEST_TLS", &folder);
            command
        });
        (server, keys)
    }

    fn await_ready(&mut self) {
        let started = Instant::now();
        let url = format!("http://127.0.0.1:{}/v2/health/ready", self.http);
        let log = self.folder.path().join("log");
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        while !ureq::get(&url).call().is_ok_and(|answer| answer.status() == 200) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", said());
            assert!(started.elapsed() < PATIENCE, "it is not ready\n{}", said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn http_port(&self) -> u16 {
        self.http
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.grpc).into()
    }

    /// The address of a network.
    pub fn model(&self, name: &str) -> String {
        format!("kserve://{}/{name}", self.address())
    }

    /// As by `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same again, on the same ports.
    pub fn restart(&mut self) {
        self.child = (self.command)().spawn().unwrap();
        self.await_ready();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes bytes on to a server, until it is told not to.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    to: Mutex<SocketAddr>,
    /// Nothing is passed on, and nothing closed.
    silent: AtomicBool,
    /// In milliseconds, how long each piece of an answer takes.
    slow_ms: AtomicU64,
    /// Connections are refused.
    gone: AtomicBool,
    /// Connections that were taken.
    taken: AtomicUsize,
    /// Bytes from clients.
    passed: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub fn to(to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            to: Mutex::new(to),
            silent: AtomicBool::new(false),
            slow_ms: AtomicU64::new(0),
            gone: AtomicBool::new(false),
            taken: AtomicUsize::new(0),
            passed: AtomicUsize::new(0),
            open: Mutex::default(),
        });
        let weak = Arc::downgrade(&shared);
        std::thread::spawn(move || {
            for from in listener.incoming().flatten() {
                let Some(shared) = weak.upgrade() else { return };
                if !shared.gone.load(Ordering::SeqCst) {
                    shared.taken.fetch_add(1, Ordering::SeqCst);
                    connect(&shared, from);
                }
            }
        });
        Self { port, shared }
    }

    pub fn model(&self, name: &str) -> String {
        format!("kserve://127.0.0.1:{}/{name}", self.port)
    }

    pub fn be_silent(&self, silent: bool) {
        self.shared.silent.store(silent, Ordering::SeqCst);
    }

    /// Answers come that much later.
    pub fn be_slow(&self, by: Duration) {
        self.shared.slow_ms.store(by.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    /// Cuts all connections and takes no new ones, or takes them again.
    pub fn be_gone(&self, gone: bool) {
        self.shared.gone.store(gone, Ordering::SeqCst);
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Cuts all connections; those that come are led to another server.
    pub fn lead_to(&self, to: SocketAddr) {
        *self.shared.to.lock().unwrap() = to;
        self.be_gone(false);
    }

    /// Bytes that clients have sent.
    pub fn passed(&self) -> usize {
        self.shared.passed.load(Ordering::SeqCst)
    }

    pub fn taken(&self) -> usize {
        self.shared.taken.load(Ordering::SeqCst)
    }
}

fn connect(shared: &Arc<Shared>, from: TcpStream) {
    let Ok(to) = TcpStream::connect(*shared.to.lock().unwrap()) else { return };
    for stream in [&from, &to] {
        stream.set_nodelay(true).unwrap();
        shared.open.lock().unwrap().push(stream.try_clone().unwrap());
    }
    let ways = [(from.try_clone().unwrap(), to.try_clone().unwrap(), true), (to, from, false)];
    for (mut from, mut to, is_of_client) in ways {
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let mut piece = vec![0; 1 << 16];
            while let Ok(length @ 1..) = from.read(&mut piece) {
                while shared.silent.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(10));
                }
                if is_of_client {
                    shared.passed.fetch_add(length, Ordering::SeqCst);
                } else {
                    let slow = shared.slow_ms.load(Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(slow));
                }
                if to.write_all(&piece[..length]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}
