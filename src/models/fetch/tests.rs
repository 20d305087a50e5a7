use std::io::{BufRead, BufReader};
use std::net::TcpListener;

use super::*;

const CONTENT: &[u8] = b"0123456789";
const SHA256: &str = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";

/// A server for one file that honours ranges, and breaks the first connection after `cut` bytes.
fn serve(cut: Option<usize>, ranges: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file.bin", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut cut = cut;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head = lines.by_ref().map_while(Result::ok).take_while(|l| !l.is_empty());
            let range = head.filter_map(|l| {
                let l = l.to_ascii_lowercase();
                l.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
            });
            let start = range.last().filter(|_| ranges).unwrap_or(0);
            let body = CONTENT.get(start..).unwrap_or_default();
            let status = match start {
                0 => "200 OK".to_owned(),
                _ if body.is_empty() => "416 Range Not Satisfiable".to_owned(),
                _ => format!("206 Partial Content\r\nContent-Range: bytes {start}-9/10"),
            };
            let sent = &body[..cut.take().unwrap_or(body.len()).min(body.len())];
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(sent).unwrap();
        }
    });
    url
}

fn get(url: &str, dir: &Path, sha256: Option<&str>) -> Result<(PathBuf, Vec<u64>), FetchError> {
    let mut seen = Vec::new();
    let download = Download { url, file: "file.bin", sha256 };
    fetch(&download, dir, &mut |p| seen.push(p.done_bytes)).map(|path| (path, seen))
}

#[test]
fn a_broken_download_continues_and_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let url = serve(Some(4), true);
    assert!(get(&url, dir.path(), Some(SHA256)).is_err());
    assert_eq!(std::fs::read(dir.path().join("file.bin.part")).unwrap(), &CONTENT[..4]);
    assert!(!dir.path().join("file.bin").exists());

    let (path, seen) = get(&url, dir.path(), Some(SHA256)).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), CONTENT);
    assert_eq!((seen.first(), seen.last()), (Some(&4), Some(&10)));
    assert_eq!(Lock::read(dir.path()).unwrap().get("file.bin").unwrap().sha256, SHA256);
    assert!(get(&url, dir.path(), None).unwrap().1.is_empty(), "fetched again");
}

#[test]
fn a_server_without_ranges_starts_over() {
    let dir = tempfile::tempdir().unwrap();
    let url = serve(Some(4), false);
    assert!(get(&url, dir.path(), None).is_err());
    let (path, _) = get(&url, dir.path(), None).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), CONTENT);
}

#[test]
fn a_part_with_nothing_after_it_starts_over() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file.bin.part"), "other bytes than those").unwrap();
    let (path, _) = get(&serve(None, true), dir.path(), Some(SHA256)).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), CONTENT);
}

#[test]
fn another_file_than_expected_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = get(&serve(None, true), dir.path(), Some("00")).unwrap_err();
    assert!(matches!(error, FetchError::Hash { .. }), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let outside = Download { url: "http://x", file: "../x", sha256: None };
    assert!(matches!(fetch(&outside, dir.path(), &mut |_| ()), Err(FetchError::Name(_))));
}
