//! `make setup` and `make install` in a clone, with wheels of this test instead of what is downloaded.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gstm2sd::models::lock::{Lock, Record};

use crate::{m2sd, stderr, text};

/// Writes a wheel in which are the libraries' places, and prints its sha256.
const WHEEL: &str = r"
import hashlib, sys, zipfile
path = sys.argv[1] + '/m2sd_test-1.0-py3-none-any.whl'
files = {
    'onnxruntime/capi/libonnxruntime.so.1': 'ort',
    'openvino/libs/libopenvino.so': 'ov',
    'm2sd_test-1.0.dist-info/METADATA': 'Metadata-Version: 2.1\nName: m2sd-test\nVersion: 1.0\n',
    'm2sd_test-1.0.dist-info/WHEEL': 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    'm2sd_test-1.0.dist-info/RECORD': '',
}
with zipfile.ZipFile(path, 'w') as wheel:
    for name, content in files.items():
        wheel.writestr(name, content)
print(hashlib.sha256(open(path, 'rb').read()).hexdigest())
";

struct Clone {
    dir: tempfile::TempDir,
}

impl Clone {
    /// With scripts, and the wheel pinned for all that is downloaded.
    fn new() -> Self {
        let clone = Self { dir: tempfile::tempdir().unwrap() };
        for dir in ["scripts", "index"] {
            std::fs::create_dir(clone.path(dir)).unwrap();
        }
        for name in ["install.sh", "places.sh", "setup.sh", "stamp.sh", "wheels.sh"] {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
            std::fs::copy(script, clone.path("scripts").join(name)).unwrap();
        }
        let made = Command::new("python3").args(["-c", WHEEL, text(&clone.path("index"))]).output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
        let sha256 = String::from_utf8(made.stdout).unwrap();
        let runtime = format!("runtime-{}.txt", std::env::consts::ARCH);
        for pins in [runtime.as_str(), "wheels-networks.txt"] {
            clone.pin(pins, sha256.trim());
        }
        clone
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, file: &str) {
        let path = self.path(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file).unwrap();
    }

    /// Puts the command here as it is built, which is asked for man pages and completions.
    fn build(&self) {
        self.put("target/release/libgstm2sd.so");
        self.put(".runtime/pins.txt");
        let command = Path::new(env!("CARGO_BIN_EXE_m2sd"));
        crate::support::copy_program(command, &self.path("target/release/m2sd"));
    }

    fn pin(&self, pins: &str, sha256: &str) {
        let text = format!("m2sd-test==1.0 --hash=sha256:{sha256}\n");
        std::fs::write(self.path("scripts").join(pins), text).unwrap();
    }

    fn set_up(&self) -> Output {
        let mut command = Command::new("bash");
        command.arg(self.path("scripts/setup.sh")).env("PIP_NO_INDEX", "1").env("GPU", "0");
        command.env("PIP_FIND_LINKS", self.path("index")).output().unwrap()
    }
}

#[test]
fn what_is_missing_or_cut_short_is_fetched_again() {
    let clone = Clone::new();
    let made = clone.set_up();
    assert!(made.status.success(), "{}", stderr(&made));
    let [ort, openvino, wheel] = [
        ".runtime/onnxruntime/capi/libonnxruntime.so.1",
        ".runtime/openvino/libs/libopenvino.so",
        ".wheels/networks/m2sd_test-1.0-py3-none-any.whl",
    ];
    let again = clone.set_up();
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(!String::from_utf8_lossy(&again.stdout).contains("downloading"), "{again:?}");
    for gone in [ort, openvino, wheel] {
        std::fs::remove_file(clone.path(gone)).unwrap();
        let repaired = clone.set_up();
        assert!(repaired.status.success(), "{}", stderr(&repaired));
        assert!(clone.path(gone).is_file(), "{gone}: {repaired:?}");
    }
    for folder in [".runtime/onnxruntime", ".runtime/openvino", ".runtime", ".wheels"] {
        std::fs::remove_dir_all(clone.path(folder)).unwrap();
        assert!(clone.set_up().status.success());
        assert!([ort, openvino, wheel].iter().all(|file| clone.path(file).is_file()), "{folder}");
    }
    std::fs::write(clone.path(ort), "o").unwrap();
    assert!(clone.set_up().status.success());
    assert_eq!(std::fs::read_to_string(clone.path(ort)).unwrap(), "ort");
}

#[test]
fn a_wheel_with_another_hash_ends_it_and_one_that_is_not_there_does_not() {
    let clone = Clone::new();
    clone.pin("wheels-networks.txt", &"0".repeat(64));
    let made = clone.set_up();
    assert_eq!(made.status.code(), Some(1), "{}", stderr(&made));
    assert!(stderr(&made).contains("not the file whose hash scripts/wheels-networks.txt pins"));
    assert!(!stderr(&made).contains("tries again"), "{}", stderr(&made));
    let absent = format!("m2sd-absent==1.0 --hash=sha256:{}\n", "0".repeat(64));
    std::fs::write(clone.path("scripts/wheels-networks.txt"), absent).unwrap();
    let made = clone.set_up();
    assert!(made.status.success() && stderr(&made).contains("the next make tries again"));
}

#[test]
fn what_is_installed_keeps_its_records() {
    let clone = Clone::new();
    clone.put("engines/new.onnx");
    clone.put("engines/by-hand.onnx");
    clone.build();
    let [engines, home] = ["engines", "home"].map(|name| clone.path(name));
    let installed = home.join("share/m2sd/engines");
    std::fs::create_dir_all(&installed).unwrap();
    let record = |dir: &Path, file: &str, sha256: &str| {
        let record = Record { sha256: sha256.to_owned(), from: "x.pt".to_owned(), etag: None };
        Lock::record(dir, file, record).unwrap();
    };
    for (file, sha256) in [("new.onnx", "2"), ("download.pt", "3")] {
        record(&engines, file, sha256);
    }
    for (file, sha256) in [("new.onnx", "1"), ("by-hand.onnx", "1"), ("own.onnx", "1")] {
        record(&installed, file, sha256);
    }
    let run = || {
        let mut install = Command::new("bash");
        install.arg(clone.path("scripts/install.sh")).env("HOME", &home);
        let run = install.env("XDG_DATA_HOME", home.join("share")).output().unwrap();
        assert!(run.status.success(), "{}", stderr(&run));
        let lock = Lock::read(&installed).unwrap();
        lock.files().map(|(file, record)| (file.to_owned(), record.sha256.clone())).collect()
    };
    let expected =
        [("new.onnx", "2"), ("own.onnx", "1")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    let (once, twice): (Vec<_>, Vec<_>) = (run(), run());
    assert_eq!((once.as_slice(), twice.as_slice()), (&expected[..], &expected[..]));
    std::fs::remove_file(installed.join("models.lock")).unwrap();
    assert_eq!(run(), expected[..1], "nothing was there");

    // What was put there goes, and nothing else.
    let completions = home.join("share/bash-completion/completions/m2sd");
    assert!(std::fs::read_to_string(&completions).unwrap().contains("complete -F _m2sd"));
    std::fs::write(installed.join("own.onnx"), "own").unwrap();
    let mut uninstall = Command::new("bash");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/uninstall.sh");
    uninstall.arg(script).env("HOME", &home);
    let run = uninstall.env("XDG_DATA_HOME", home.join("share")).output().unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(installed.join("own.onnx").is_file());
    for gone in [
        completions,
        home.join(".local/bin/m2sd"),
        home.join("share/gstreamer-1.0/plugins/libgstm2sd.so"),
        home.join("share/m2sd/runtime"),
        installed.join("new.onnx"),
    ] {
        assert!(!gone.exists(), "{}", gone.display());
    }
}

/// Every file below a folder, by its path from there.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_string_lossy();
            found.extend(files(&path).into_iter().map(|file| format!("{name}/{file}")));
        } else {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

#[test]
fn a_package_has_everything_and_leaves_nothing() {
    let clone = Clone::new();
    clone.put("engines/new.onnx");
    clone.build();
    let run = |script: &str, prefix: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(script);
        let copy = clone.path("scripts").join(script.file_name().unwrap());
        std::fs::copy(script, &copy).unwrap();
        let mut command = Command::new("bash");
        command.arg(copy).env("DESTDIR", clone.path("package")).env("PREFIX", prefix);
        command.env("HOME", "/nowhere").env_remove("XDG_DATA_HOME").output().unwrap()
    };
    let installed = run("install.sh", "/opt/m2sd");
    assert!(installed.status.success(), "{}", stderr(&installed));
    let said = String::from_utf8(installed.stdout).unwrap();
    assert!(said.contains("M2SD_ENGINES=/opt/m2sd/share/m2sd/engines"), "{said}");
    let all = files(&clone.path("package/opt/m2sd"));
    for file in [
        "bin/m2sd",
        "lib/gstreamer-1.0/libgstm2sd.so",
        "lib/m2sd/runtime/pins.txt",
        "share/bash-completion/completions/m2sd",
        "share/fish/vendor_completions.d/m2sd.fish",
        "share/m2sd/engines/new.onnx",
        "share/man/man1/m2sd.1",
        "share/man/man1/m2sd-models-import.1",
        "share/zsh/site-functions/_m2sd",
    ] {
        assert!(all.iter().any(|found| found == file), "no {file} in {all:?}");
    }
    let share = clone.path("package/opt/m2sd/share");
    pages_of_all_commands(&share.join("man/man1"));
    shells_can_read(&share);
    let gone = run("uninstall.sh", "/opt/m2sd");
    assert!(gone.status.success(), "{}", stderr(&gone));
    assert_eq!(files(&clone.path("package")), Vec::<String>::new());
    let relative = run("install.sh", "opt");
    assert!(!relative.status.success());
    assert!(stderr(&relative).contains("opt is no absolute path"), "{}", stderr(&relative));
}

/// That each command has a page that is set without a warning.
fn pages_of_all_commands(dir: &Path) {
    let help = String::from_utf8(m2sd(&["--help"]).stdout).unwrap();
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| line.starts_with("  "));
    let names = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let pages = files(dir);
    for name in names.filter(|name| !name.is_empty() && *name != "help") {
        assert!(pages.contains(&format!("m2sd-{name}.1")), "no page of {name}: {pages:?}");
    }
    for page in pages {
        let mut man = Command::new("man");
        man.args(["--warnings", "-l"]).arg(dir.join(&page)).env("LC_ALL", "C.UTF-8");
        let shown = man.env("MANROFFSEQ", "").env("MANWIDTH", "80").output().unwrap();
        assert!(shown.status.success(), "{page}: {}", stderr(&shown));
        assert_eq!(stderr(&shown), "", "{page}");
        assert!(shown.stdout.len() > 300, "{page}: {}", String::from_utf8_lossy(&shown.stdout));
    }
}

fn shells_can_read(share: &Path) {
    for (shell, script) in
        [("bash", "bash-completion/completions/m2sd"), ("zsh", "zsh/site-functions/_m2sd")]
    {
        let read = Command::new(shell).arg("-n").arg(share.join(script)).output().unwrap();
        assert!(read.status.success() && stderr(&read).is_empty(), "{shell}: {}", stderr(&read));
    }
}
