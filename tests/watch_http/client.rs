//! An HTTP client that sends what it is told, however wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header of a name, in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// What an error says, which must be a problem of this status.
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let body = self.json();
        assert_eq!(body["status"], status);
        assert!(body["title"].is_string(), "{body}");
        body["detail"].as_str().unwrap().to_owned()
    }
}

/// A request before it is sent.
#[derive(Clone)]
pub struct Ask {
    address: SocketAddr,
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub fn ask(address: SocketAddr, method: &'static str, target: &str) -> Ask {
    let headers = vec![("Host".to_owned(), address.to_string())];
    Ask { address, method, target: target.to_owned(), headers, body: Vec::new() }
}

pub fn get(address: SocketAddr, target: &str) -> Reply {
    ask(address, "GET", target).send()
}

impl Ask {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("Content-Type", kind)
    }

    /// The answer, whole.
    pub fn send(&self) -> Reply {
        self.open().finish()
    }

    /// The answer's head; its body is read later.
    pub fn open(&self) -> Opened {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(45))).unwrap();
        let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || self.method == "PUT" || self.method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        // It may have refused before the body came.
        let _ = stream.write_all(&self.body);
        read_head(stream)
    }
}

/// An answer of which the head has come.
pub struct Opened {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    stream: BufReader<TcpStream>,
}

fn read_head(stream: TcpStream) -> Opened {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {line:?}"));
    let status = status.parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    Opened { status, headers, stream }
}

impl Opened {
    fn chunked(&self) -> bool {
        self.headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked")
    }

    /// The next part of a body that comes in parts; empty at its end.
    pub fn chunk(&mut self) -> Vec<u8> {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let length = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
        let mut chunk = vec![0; length + 2];
        if length == 0 {
            return Vec::new();
        }
        self.stream.read_exact(&mut chunk).unwrap();
        chunk.truncate(length);
        chunk
    }

    /// The next server-sent event: its id, type and data.
    pub fn event(&mut self) -> Option<(String, String, Value)> {
        loop {
            let chunk = String::from_utf8(self.chunk()).unwrap();
            if chunk.is_empty() {
                return None;
            }
            let field = |name: &str| {
                chunk
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .map(|text| text.trim().to_owned())
            };
            if let (Some(id), Some(kind), Some(data)) =
                (field("id:"), field("event:"), field("data:"))
            {
                return Some((id, kind, serde_json::from_str(&data).unwrap()));
            }
        }
    }

    pub fn finish(mut self) -> Reply {
        let mut body = Vec::new();
        if self.chunked() {
            loop {
                let chunk = self.chunk();
                if chunk.is_empty() {
                    break;
                }
                body.extend(chunk);
            }
        } else {
            // A connection that is cut shows in the body.
            let _ = self.stream.read_to_end(&mut body);
        }
        Reply { status: self.status, headers: self.headers, body }
    }
}
