//! A real time stamp authority, `openssl ts`, behind a small HTTP server.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

pub fn openssl(dir: &Path, args: &str) {
    let output =
        Command::new("openssl").args(args.split_whitespace()).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A certificate authority and its time stamp authority with a key of a kind, in a folder.
pub fn authority(kind: &str, digest: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    openssl(
        at,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=Root -days 9",
    );
    openssl(at, &format!("req -newkey {kind} -nodes -keyout tsa.key -out tsa.csr -subj /CN=Clock"));
    let usage = "basicConstraints=CA:FALSE\nextendedKeyUsage=critical,timeStamping\n";
    fs::write(at.join("ext"), usage).unwrap();
    openssl(
        at,
        "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tsa.pem -days 9 -extfile ext",
    );
    fs::write(
        at.join("tsa.cnf"),
        format!(
            "[tsa]\ndefault_tsa = one\n[one]\nserial = serial\ncrypto_device = builtin\n\
             signer_digest = {digest}\ndefault_policy = 1.2.3.4.1\ndigests = sha256\n\
             accuracy = secs:1, millisecs:500\ness_cert_id_alg = sha256\n"
        ),
    )
    .unwrap();
    dir
}

/// A reply (DER) of an authority to a query.
pub fn reply(dir: &Path, query: &[u8]) -> Vec<u8> {
    fs::write(dir.join("query"), query).unwrap();
    openssl(
        dir,
        "ts -reply -queryfile query -signer tsa.pem -inkey tsa.key -chain ca.pem -config tsa.cnf -out reply",
    );
    fs::read(dir.join("reply")).unwrap()
}

/// Answers each request with what `answer` makes of its body: a status and a body; `None`: nothing.
pub fn serve(answer: impl Fn(&[u8]) -> Option<(u16, Vec<u8>)> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/tsa?token=geheim", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).unwrap() > 2 {
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            match answer(&body) {
                None => kept.push(stream),
                Some((status, body)) => {
                    let head = format!(
                        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                        body.len()
                    );
                    stream.write_all(head.as_bytes()).unwrap();
                    stream.write_all(&body).unwrap();
                }
            }
        }
    });
    address
}
