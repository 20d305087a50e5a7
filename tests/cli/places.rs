//! Every command looks for models where a scan does.

use std::path::Path;
use std::process::Command;

use gstm2sd::models::synth::ClipShape;

use super::running::assert_code;
use super::{classifier, command, records, scene, stderr, text};

/// A detector in one folder, a classifier in the next: a scan uses both.
struct Places {
    dir: tempfile::TempDir,
}

impl Places {
    fn new() -> Self {
        let places = Self { dir: tempfile::tempdir().unwrap() };
        let put = |name: &str, folder: &Path| {
            std::fs::create_dir_all(folder).unwrap();
            for file in [format!("{name}.onnx"), format!("{name}.onnx.modelinfo")] {
                std::fs::copy(scene().join("engines").join(&file), folder.join(&file)).unwrap();
            }
        };
        put("analytic_detector", &places.named());
        put("analytic_detector", &places.data());
        put("analytic_aligner", &places.data());
        classifier(&places.data(), ClipShape { frames: 2, ..ClipShape::default() });
        places
    }

    fn named(&self) -> std::path::PathBuf {
        self.dir.path().join("named")
    }

    /// That of `XDG_DATA_HOME`.
    fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data/m2sd/engines")
    }

    /// With the first folder named by an option or by the environment.
    fn command(&self, args: &[&str], by_option: bool) -> Command {
        let mut command = command(args);
        // No folder `engines` is there.
        command.current_dir(self.dir.path());
        command.env("XDG_DATA_HOME", self.dir.path().join("data"));
        // Found from where the tests run.
        let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join(".runtime");
        if std::env::var_os("M2SD_RUNTIME").is_none() && runtime.is_dir() {
            command.env("M2SD_RUNTIME", runtime);
        }
        match by_option {
            true => command.arg("--engines").arg(self.named()),
            false => command.env("M2SD_ENGINES", self.named()),
        };
        command
    }
}

#[test]
fn each_command_finds_what_a_scan_finds() {
    let places = Places::new();
    let video = scene().join("scene.mp4");
    let (detector, classifier) = (
        places.named().join("analytic_detector.onnx"),
        places.data().join("analytic_classifier.onnx"),
    );
    let clips = places.dir.path().join("clips");
    let scan = ["scan", text(&video), "--json", "-", "--duration", "0.5", "--clip-stride", "8"];
    for by_option in [true, false] {
        let run = |args: &[&str]| {
            let run = places.command(args, by_option).output().unwrap();
            let said = [stderr(&run), String::from_utf8(run.stdout.clone()).unwrap()].concat();
            (run, said)
        };
        let (scanned, _) = run(&[&scan[..], &["--clips", text(&clips), "--force"]].concat());
        assert_code(&scanned, 0);
        let header = records(std::str::from_utf8(&scanned.stdout).unwrap()).remove(0);
        for (role, path) in [("detector", &detector), ("classifiers", &classifier)] {
            let of = &header[role];
            let of = if of.is_array() { &of[0] } else { of };
            let found = gstm2sd::models::sha256(path).unwrap();
            assert_eq!(of["sha256"], found.as_str(), "{role}: {header}");
        }

        let (listed, said) = run(&["models", "list"]);
        assert_code(&listed, 0);
        let (first, second) = said.split_once(&format!("{}:", places.data().display())).unwrap();
        let used = |said: &str| said.lines().filter(|line| line.contains(" used ")).count();
        assert_eq!((used(first), used(second)), (1, 2), "{said}");

        let (verified, said) = run(&["models", "verify"]);
        assert_code(&verified, 0);
        let (_, doctor) = run(&["doctor"]);
        for path in [&detector, &classifier] {
            assert!(said.contains(&format!("{} is used", path.display())), "{said}");
            let shown = text(path);
            let plain = |text: &str| text.split_whitespace().collect::<String>();
            assert!(plain(&doctor).contains(&plain(shown)), "{doctor}");
        }

        let name = "analytic_classifier";
        let compare = ["models", "compare", name, name, "--clips", text(&clips)];
        let (compared, said) = run(&compare);
        assert_code(&compared, 0);
        assert!(said.contains("Fake to one and real to the other: 0 clips."), "{said}");
        let (exported, said) = run(&["models", "export-repository", "repository"]);
        assert_code(&exported, 0);
        assert!(said.contains(name) || said.contains("classifier"), "{said}");
        std::fs::remove_dir_all(places.dir.path().join("repository")).unwrap();
        let bench = ["bench", "--video", text(&video), "--seconds", "1", "--detect-interval", "8"];
        let (benched, said) = run(&bench);
        assert_code(&benched, 0);
        assert!(said.contains(name) || said.contains("classifier"), "{said}");

        // What the engines would be of is found; this machine cannot build them.
        let (built, said) =
            run(&["engines", "build", "--provider", "tensorrt", "classifier=analytic_classifier"]);
        assert!(built.status.success() || !said.contains("no classifier model"), "{said}");
        let (listed, said) = run(&["engines", "list"]);
        assert_code(&listed, 0);
        // What OpenVINO compiled, else where it would be; a folder that is named is meant alone.
        for (of, folder, is_meant) in [
            ("analytic_detector", places.named(), true),
            ("analytic_classifier", places.data(), !by_option),
        ] {
            let is_listed = said.lines().any(|line| line.starts_with(of));
            let is_named = said.contains(text(&folder.join("cache")));
            assert_eq!(is_listed || is_named, is_meant, "{of}: {said}");
        }
    }
}

#[test]
fn a_folder_that_is_named_must_be_there_for_every_command() {
    let places = Places::new();
    let video = scene().join("scene.mp4");
    let clips = places.dir.path().join("clips");
    std::fs::create_dir(&clips).unwrap();
    std::fs::write(clips.join("clip.npy"), "").unwrap();
    let clips = text(&clips);
    let gone = places.dir.path().join("gone");
    for args in [
        &["scan", text(&video)][..],
        &["bench", "--video", text(&video)],
        &["eval", "data", "--out", "out"],
        &["models", "list"],
        &["models", "verify"],
        &["models", "compare", "a", "b", "--clips", clips],
        &["models", "quantise", "a", "--clips", clips],
        &["models", "export-repository", "repository"],
        &["engines", "build"],
        &["engines", "list"],
        &["engines", "prune"],
    ] {
        let run = command(args)
            .current_dir(places.dir.path())
            .env("XDG_DATA_HOME", places.dir.path().join("data"))
            .args(["--engines", text(&gone)])
            .output()
            .unwrap();
        let said = stderr(&run);
        assert_eq!(run.status.code(), Some(4), "{args:?}: {said}");
        let words = format!("there is no engines folder {}", gone.display());
        assert!(said.contains(&words), "{args:?}: {said}");
        assert!(!gone.exists());
    }
}
