//! The library itself: missing, foreign, too old. Each case is a process of its own, as a process
//! opens the library once.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use gstm2sd::infer::{CancelToken, EngineOptions, Provider, load_engine};
use gstm2sd::models::synth::{Synth, write};

/// What loading a model says in a process with `M2SD_RUNTIME` set to `runtime`, tried twice.
fn load_with(runtime: &Path) -> String {
    load_in(Path::new("."), Some(runtime))
}

/// As [`load_with`], with `folder` as the working directory and perhaps no variable set.
fn load_in(folder: &Path, runtime: Option<&Path>) -> String {
    probe_with(folder, runtime, &[])
}

/// As [`load_in`], with further variables.
fn probe_with(folder: &Path, runtime: Option<&Path>, variables: &[(&str, &Path)]) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    // As a shell starts a program that it finds in `$PATH`.
    child.arg0("m2sd");
    child.args(["--exact", "library::probe", "--ignored", "--nocapture"]).current_dir(folder);
    child.env_remove("M2SD_RUNTIME").env_remove("ORT_DYLIB_PATH");
    child.envs(runtime.map(|runtime| ("M2SD_RUNTIME", runtime)));
    child.envs(variables.iter().copied());
    let child = child.output().unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{text}\n{}", String::from_utf8_lossy(&child.stderr));
    let mut lines = text.lines().filter_map(|line| line.split("PROBE ").nth(1));
    let (first, second) = (lines.next().unwrap(), lines.next().unwrap());
    assert_eq!(first, second, "the second try says something else");
    first.to_owned()
}

/// Runs in the child.
#[test]
#[ignore = "the child of the other tests"]
fn probe() {
    let provider = std::env::var("PROBE_PROVIDER").map_or(Provider::Auto, |p| p.parse().unwrap());
    let model = std::env::var_os("PROBE_MODEL")
        .map_or_else(|| std::env::current_exe().unwrap(), PathBuf::from);
    let options = EngineOptions { provider, ..EngineOptions::default() };
    for _ in 0..2 {
        match load_engine(&model, &options, &CancelToken::new()) {
            Ok(engine) => println!("\nPROBE loaded by {}", engine.info().runtime),
            Err(error) => println!("\nPROBE {error}"),
        }
    }
}

#[test]
fn a_missing_library_says_where_it_was_looked_for_and_what_to_run() {
    let error = load_with(Path::new("/nonexistent/runtime"));
    assert_eq!(
        error,
        "ONNX Runtime was not found; looked in $M2SD_RUNTIME = /nonexistent/runtime. \
         Unset M2SD_RUNTIME, or set it to the folder or file"
    );
}

#[test]
fn a_file_that_is_no_library_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("libonnxruntime.so");
    std::fs::write(&text, "words").unwrap();
    let error = load_with(dir.path());
    assert!(error.contains("cannot be used as ONNX Runtime"), "{error}");
    assert!(error.contains(text.to_str().unwrap()), "{error}");
    // The loader's reason, not only that it failed.
    assert!(error.contains("file too short") || error.contains("invalid ELF"), "{error}");
}

#[test]
fn nothing_is_loaded_from_the_working_directory() {
    let dir = tempfile::tempdir().unwrap();
    let planted = dir.path().join(".runtime/libonnxruntime.so");
    std::fs::create_dir(planted.parent().unwrap()).unwrap();
    std::fs::write(&planted, "words").unwrap();
    // Nor beside a file there that is called like the program.
    std::fs::write(dir.path().join("m2sd"), "words").unwrap();
    let error = load_in(dir.path(), None);
    assert!(!error.contains("cannot be used as ONNX Runtime"), "{error}");
    assert!(!error.contains(dir.path().to_str().unwrap()), "{error}");
    // The same file is tried where the user names it.
    let error = load_in(dir.path(), Some(&planted));
    assert!(error.contains("cannot be used as ONNX Runtime"), "{error}");
}

#[test]
fn the_loader_is_not_asked_where_it_would_look_in_the_working_directory() {
    // Beside a program elsewhere there is no runtime: the system's loader is what is left.
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("elsewhere/program");
    std::fs::create_dir(program.parent().unwrap()).unwrap();
    crate::data::copy_program(&std::env::current_exe().unwrap(), &program);
    let planted = library(dir.path(), "int something_else(void) { return 1; }");
    std::fs::rename(&planted, dir.path().join("libonnxruntime.so")).unwrap();
    let error = |path: &str| {
        let mut child = Command::new(&program);
        child.args(["--exact", "library::probe", "--ignored", "--nocapture"]);
        child.current_dir(dir.path()).env_remove("M2SD_RUNTIME").env_remove("ORT_DYLIB_PATH");
        child.env("XDG_DATA_HOME", dir.path()).env("LD_LIBRARY_PATH", path);
        String::from_utf8_lossy(&child.output().unwrap().stdout).into_owned()
    };
    for path in ["/nowhere:", ".", "/nowhere::/nowhere/else", "lib:/nowhere"] {
        let error = error(path);
        assert!(error.contains("PROBE ONNX Runtime was not found"), "{path:?}: {error}");
        assert!(error.contains("LD_LIBRARY_PATH is empty or relative"), "{path:?}: {error}");
    }
    // An absolute folder is the user's word.
    let error = error(dir.path().to_str().unwrap());
    assert!(error.contains("it is another library"), "{error}");
}

/// Compiles a shared library; `cc` is there wherever Rust links.
fn library(folder: &Path, source: &str) -> PathBuf {
    library_called(folder, "libonnxruntime.so.1.2.3", source)
}

fn library_called(folder: &Path, name: &str, source: &str) -> PathBuf {
    let (c, so) = (folder.join("lib.c"), folder.join(name));
    std::fs::write(&c, source).unwrap();
    let cc = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&so, &c]).status().unwrap();
    assert!(cc.success());
    so
}

#[test]
fn another_library_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let so = library(dir.path(), "int something_else(void) { return 1; }");
    let error = load_with(&so);
    assert!(error.contains("it is another library, without OrtGetApiBase"), "{error}");
}

#[test]
fn an_old_library_is_refused_with_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    let source = r#"
        static const void *get_api(unsigned version) { (void)version; return 0; }
        static const char *get_version(void) { return "1.12.1"; }
        static const struct { const void *(*api)(unsigned); const char *(*version)(void); }
            base = { get_api, get_version };
        const void *OrtGetApiBase(void) { return &base; }
    "#;
    library(dir.path(), source);
    let error = load_with(dir.path());
    assert!(error.contains("is ONNX Runtime 1.12.1, but 1.24 or newer is needed"), "{error}");
}

/// What loading a network says where only these folders of the set-up are there.
fn load_with_only(folders: &[&str], provider: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let model = write(&Synth::Aligner, dir.path()).unwrap();
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(".runtime");
    let runtime = dir.path().join("runtime");
    std::fs::create_dir(&runtime).unwrap();
    for folder in folders {
        std::os::unix::fs::symlink(whole.join(folder), runtime.join(folder)).unwrap();
    }
    let variables = [("PROBE_PROVIDER", Path::new(provider)), ("PROBE_MODEL", &model)];
    probe_with(Path::new("."), Some(&runtime), &variables)
}

#[test]
fn each_library_works_without_the_other_and_a_missing_one_is_named() {
    let (onnxruntime, openvino): (&[_], &[_]) = (&["onnxruntime"], &["openvino"]);
    let loaded = |folders, provider, by| {
        let said = load_with_only(folders, provider);
        assert!(said.starts_with(&format!("loaded by {by}")), "{provider}: {said}");
    };
    loaded(openvino, "auto", "OpenVINO 20");
    loaded(openvino, "openvino", "OpenVINO 20");
    loaded(onnxruntime, "cpu", "ONNX Runtime 1.");
    loaded(&["onnxruntime", "openvino"], "cpu", "ONNX Runtime 1.");

    let missing = |folders, provider, library| {
        let said = load_with_only(folders, provider);
        let begin = format!("{library} was not found; looked in $M2SD_RUNTIME = ");
        assert!(
            said.starts_with(&begin) && said.contains("Unset M2SD_RUNTIME"),
            "{provider}: {said}"
        );
    };
    missing(onnxruntime, "openvino", "OpenVINO");
    missing(openvino, "cpu", "ONNX Runtime");
    missing(&[], "openvino", "OpenVINO");
    missing(&[], "auto", "ONNX Runtime");
}

#[test]
fn what_is_no_openvino_of_today_is_refused() {
    let version = |build: &str| {
        format!(
            "struct v {{ const char *build, *text; }};
             int ov_get_openvino_version(struct v *v) {{ v->build = \"{build}\"; return 0; }}"
        )
    };
    let (old, strange) = (version("2024.6.0-17404-4c0f47d2335"), version("someone's"));
    let cases = [
        ("int something_else(void) { return 1; }", "another library, without ov_get_openvino"),
        (&old, "is OpenVINO 2024.6.0-17404-4c0f47d2335, but 2025.1 or newer is needed"),
        (&strange, "is OpenVINO someone's, but 2025.1 or newer is needed"),
    ];
    for (source, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        library_called(dir.path(), "libopenvino_c.so.1", source);
        let variables = [("PROBE_PROVIDER", Path::new("openvino"))];
        let said = probe_with(Path::new("."), Some(dir.path()), &variables);
        assert!(said.contains(expected), "{said}");
        assert!(said.contains(dir.path().to_str().unwrap()), "{said}");
    }
}
