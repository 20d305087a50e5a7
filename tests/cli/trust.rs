//! `m2sd models fetch` over https: it believes whom the system believes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use gstm2sd::models::synth::{self, Synth};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, Stream};

use crate::{command, stderr, text};

/// Serves one file whatever is asked for, over https with a certificate of an issuer of its own.
/// The address, and the issuer's certificate.
fn serve(content: Vec<u8>) -> (String, String) {
    let issuer_key = KeyPair::generate().unwrap();
    let mut issuer = CertificateParams::new(Vec::new()).unwrap();
    issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer_pem = issuer.self_signed(&issuer_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let own = own.signed_by(&key, &Issuer::new(issuer, issuer_key)).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![own.der().clone()], key).unwrap());

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = Stream::new(&mut connection, &mut stream);
            let length = content.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            // Who does not believe it goes away.
            let _gone = tls.read(&mut [0; 4096]).and_then(|_| {
                tls.write_all(head.as_bytes())?;
                tls.write_all(&content)?;
                tls.conn.send_close_notify();
                tls.flush()
            });
        }
    });
    (format!("https://localhost:{port}/net.onnx"), issuer_pem)
}

fn fetch(engines: &Path, certificates: &Path) -> Output {
    let args = ["models", "fetch", "--engines", text(engines)];
    let mut command = command(&args);
    for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "SSL_CERT_DIR"] {
        command.env_remove(name);
    }
    command.env("SSL_CERT_FILE", certificates).output().unwrap()
}

#[test]
fn the_issuers_of_the_system_are_believed_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let network = synth::write(&Synth::Detector, &dir.path().join("made")).unwrap();
    let (url, issuer) = serve(std::fs::read(network).unwrap());
    let (_, other) = serve(Vec::new());
    let engines = dir.path().join("engines");
    std::fs::create_dir(&engines).unwrap();
    let manifest = format!(
        "[[model]]\nfile = 'net.onnx'\nrole = 'detector'\ntitle = 'net'\nrank = 1\ntrained = true\n\
         channel-order = 'bgr'\nnormalization = 'retinaface'\nlicence = 'MIT'\nsource = 'here'\n\
         [[model.from]]\nfile = 'net.onnx'\nurl = '{url}'\n"
    );
    std::fs::write(engines.join("models.toml"), manifest).unwrap();
    let [trusted, foreign] = ["trusted.pem", "foreign.pem"].map(|name| dir.path().join(name));
    std::fs::write(&trusted, issuer).unwrap();
    std::fs::write(&foreign, other).unwrap();

    let refused = fetch(&engines, &foreign);
    assert_eq!(refused.status.code(), Some(4), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("set SSL_CERT_FILE"), "{}", stderr(&refused));
    assert!(!stderr(&refused).contains("continue where it stopped"), "{}", stderr(&refused));
    let fetched = fetch(&engines, &trusted);
    assert!(fetched.status.success(), "{}", stderr(&fetched));
    assert!(engines.join("net.onnx").is_file());
}
