//! Commands of m2sd that have to do with networks on servers.

use std::path::Path;
use std::process::{Command, Output};

use gstm2sd::models::synth::{Synth, write};

use crate::servers::Server;

fn m2sd(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_m2sd"))
        .args(args)
        .env("M2SD_TEST_SET", "geheim-4711")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let all = [&output.stdout, &output.stderr];
    all.map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

fn done(args: &[&str]) -> String {
    let output = m2sd(args);
    assert!(output.status.success(), "{args:?}: {}", said(&output));
    said(&output)
}

fn refused(args: &[&str], code: i32, expected: &[&str]) {
    let output = m2sd(args);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    for expected in expected {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("geheim"), "{said}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_scan_whose_networks_were_on_servers_is_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let engines = dir.path().join("engines");
    for network in Synth::analytic() {
        write(&network, &engines).unwrap();
    }
    let [detector, classifier] =
        ["detector", "classifier"].map(|role| engines.join(format!("analytic_{role}.onnx")));
    let triton = Server::triton(&[&detector, &classifier]);
    // It tells no hashes.
    let kserve = Server::kserve("faces", &detector);
    let video = dir.path().join("scene.mp4");
    done(&["synth-video", "--frames", "40", "--out", text(&video)]);
    let results = dir.path().join("results");
    let (at_kserve, at_triton) = (kserve.model("faces"), triton.model("analytic_classifier"));
    let with_timeout = format!("{at_triton}?timeout=9s");
    let networks = ["--detector", &at_kserve, "--aligner", "none", "--classifier", &with_timeout];
    let scan = ["scan", text(&video), "--out", text(&results), "--no-video", "--quiet"];
    done(&[&scan[..], &networks, &["--clip-stride", "4"]].concat());
    let reproduce = ["reproduce", text(&results)];
    let said = done(&reproduce);
    assert!(said.contains(&format!("{at_kserve} does not tell the hash")), "{said}");
    assert!(said.contains("a provider other than cpu"), "{said}");
    // The same network elsewhere, on a server or here.
    let moved = Server::triton(&[&classifier]);
    let there = moved.model("analytic_classifier");
    done(&[&reproduce[..], &["--classifier", &there]].concat());
    let engines = text(&engines);
    let here = ["--classifier", "analytic_classifier", "--engines", engines];
    done(&[&reproduce[..], &here].concat());
    // Another network under the name, by its hash.
    let two = ["--classifier", &format!("{there},meso4")];
    refused(&[&reproduce[..], &two].concat(), 3, &["had 1 networks", "2 are named"]);
    let other = moved_to_other(dir.path());
    let there = other.model("analytic_classifier");
    refused(
        &[&reproduce[..], &["--classifier", &there]].concat(),
        4,
        &["does not serve the classifier of the scan", "--classifier MODEL"],
    );
}

/// A server of another network by the same name.
fn moved_to_other(dir: &Path) -> Server {
    use gstm2sd::models::synth::ClipShape;
    let shape = ClipShape { frames: 8, ..ClipShape::default() };
    Server::triton(&[&write(&Synth::Classifier(shape), &dir.join("other")).unwrap()])
}

#[test]
fn an_address_whose_records_lack_its_token_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let engines = dir.path().join("engines");
    for network in Synth::analytic() {
        write(&network, &engines).unwrap();
    }
    let server = Server::triton(&[&engines.join("analytic_classifier.onnx")]);
    let video = dir.path().join("scene.mp4");
    done(&["synth-video", "--frames", "40", "--out", text(&video)]);
    let (results, engines) = (dir.path().join("results"), text(&engines));
    let address = server.model("analytic_classifier") + "?token-env=M2SD_TEST_SET";
    let scan = ["scan", text(&video), "--out", text(&results), "--no-video", "--quiet"];
    let networks = ["--engines", engines, "--classifier", &address, "--clip-stride", "4"];
    done(&[&scan[..], &networks].concat());
    let reproduce = ["reproduce", text(&results), "--engines", engines];
    refused(&reproduce, 3, &["recorded without what may be secret", "--classifier ADDRESS"]);
    done(&[&reproduce[..], &["--classifier", &address]].concat());
}

#[test]
fn a_repository_has_the_networks_that_a_scan_would_use() {
    let dir = tempfile::tempdir().unwrap();
    let engines = dir.path().join("engines");
    for network in Synth::analytic() {
        write(&network, &engines).unwrap();
    }
    let all = ["analytic_aligner", "analytic_classifier", "analytic_detector"];
    let none = ["--detector", "none", "--aligner", "none"];
    for (at, (options, expected)) in
        [(&[][..], &all[..]), (&none, &all[1..2]), (&["--classifier", "none"], &[all[0], all[2]])]
            .into_iter()
            .enumerate()
    {
        let repository = dir.path().join(at.to_string());
        let export = ["models", "export-repository", text(&repository), "--engines"];
        done(&[&export[..], &[text(&engines)], options].concat());
        let found = std::fs::read_dir(&repository).unwrap();
        let mut found: Vec<_> =
            found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        assert_eq!(found, expected, "{options:?}");
    }
    let repository = dir.path().join("r");
    let export = ["models", "export-repository", text(&repository), "--engines", text(&engines)];
    for (options, expected) in [
        (["--classifier", "kserve://gpu:8001/m2sd"], "is on a server; name a file as classifier"),
        (["--aligner", "nosuch"], "nosuch"),
        (["--engines", "/no/such/folder"], "/no/such/folder"),
    ] {
        let export = if options[0] == "--engines" { &export[..3] } else { &export[..] };
        refused(&[export, &options].concat(), 4, &[expected]);
    }
    assert!(!repository.exists());
}
