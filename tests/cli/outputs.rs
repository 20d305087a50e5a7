//! Where results go, and where they must not.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::eval::draw;
use super::running::assert_code;
use super::{m2sd, scene, stderr, text};

#[test]
fn an_output_that_is_an_input_is_refused_by_any_name() {
    let engines = scene().join("engines");
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let folder = |name: &str| {
        std::fs::create_dir(at(name)).unwrap();
        at(name)
    };
    let video = folder("results").join("annotated.mp4");
    std::fs::copy(scene().join("scene.mp4"), &video).unwrap();
    let before = std::fs::read(&video).unwrap();
    std::fs::hard_link(&video, at("hard.mp4")).unwrap();
    symlink(&video, at("soft.mp4")).unwrap();
    symlink(at("results"), at("link")).unwrap();
    symlink(&video, folder("soft").join("annotated.mp4")).unwrap();
    std::fs::hard_link(&video, folder("hard").join("scores.jsonl")).unwrap();
    std::fs::hard_link(&video, folder("part").join("annotated.mp4.part")).unwrap();
    std::fs::hard_link(&video, folder("clips").join("scene_000000_face0_0.000s.npy")).unwrap();
    let name = |name: &str| text(&at(name)).to_owned();
    let own = text(&video).to_owned();
    let uri = format!("file://{own}");
    let around = name("results/../results/annotated.mp4");
    let model = engines.join("analytic_classifier.onnx");
    let model_bytes = std::fs::read(&model).unwrap();
    for (input, option, output) in [
        (&own, "--out", name("results")),
        (&own, "--out", name("link")),
        (&own, "--out", name("soft")),
        (&own, "--out", name("hard")),
        (&own, "--out", name("part")),
        (&uri, "--out", name("results")),
        (&around, "--out", name("results")),
        (&name("hard.mp4"), "--out", name("results")),
        (&name("soft.mp4"), "--json", own.clone()),
        (&own, "--json", name("soft.mp4")),
        (&own, "--json", name("results/../hard.mp4")),
        (&own, "--clips", name("clips")),
        (&own, "--json", text(&model).to_owned()),
    ] {
        let run = m2sd(&["scan", input, option, &output, "--engines", text(&engines)]);
        assert_code(&run, 2);
        let said = stderr(&run);
        assert!(said.contains("are one file"), "{input} {option} {output}: {said}");
        assert!(said.contains("the input") || said.contains("the model"), "{said}");
        assert!(std::fs::read(&video).unwrap() == before, "{input} {option} {output}");
    }
    assert!(std::fs::read(&model).unwrap() == model_bytes);
    // Two results that are one.
    let both = ["scan", &own, "--out", &name("new"), "--json", &name("new/annotated.mp4")];
    assert_code(&m2sd(&[&both[..], &["--engines", text(&engines)]].concat()), 2);
    assert!(!at("new").exists(), "nothing was begun");
    // The control.
    let run = m2sd(&["scan", &own, "--out", &name("new"), "--engines", text(&engines)]);
    assert_code(&run, 0);
    assert!(std::fs::read(&video).unwrap() == before);
}

#[test]
fn results_do_not_go_through_links() {
    let engines = scene().join("engines");
    let dir = tempfile::tempdir().unwrap();
    let (results, victim) = (dir.path().join("results"), dir.path().join("victim"));
    std::fs::create_dir(&results).unwrap();
    std::fs::write(&victim, "of somebody").unwrap();
    let scan = || {
        let video = scene().join("scene.mp4");
        let args = ["scan", text(&video), "--out", text(&results), "--force"];
        m2sd(&[&args[..], &["--engines", text(&engines)]].concat())
    };
    let is_safe = || std::fs::read_to_string(&victim).unwrap() == "of somebody";
    symlink(&victim, results.join("scores.jsonl")).unwrap();
    symlink(&victim, results.join("annotated.mp4")).unwrap();
    // Each on its own, since both together would be one file.
    std::fs::remove_file(results.join("annotated.mp4")).unwrap();
    assert_code(&scan(), 0);
    assert!(is_safe(), "the records went through a link");
    assert!(results.join("scores.jsonl").symlink_metadata().unwrap().is_file());
    for part in ["scores.jsonl.part", "annotated.mp4.part"] {
        symlink(&victim, results.join(part)).unwrap();
        let run = scan();
        assert_code(&run, 3);
        assert!(stderr(&run).contains("symbolic link"), "{}", stderr(&run));
        assert!(is_safe(), "{part} was followed");
        std::fs::remove_file(results.join(part)).unwrap();
    }
    let clips = dir.path().join("clips");
    let store = |video: &Path| {
        let args = ["scan", text(video), "--clips", text(&clips), "--clip-stride", "16"];
        m2sd(&[&args[..], &["--force", "--engines", text(&engines)]].concat())
    };
    assert_code(&store(&scene().join("scene.mp4")), 0);
    let clip = std::fs::read_dir(&clips).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&clip).unwrap();
    symlink(&victim, &clip).unwrap();
    assert_code(&store(&scene().join("scene.mp4")), 0);
    assert!(is_safe() && clip.symlink_metadata().unwrap().is_file(), "a clip went through a link");
}

#[test]
fn clips_of_before_go_when_new_ones_take_their_place() {
    let engines = scene().join("engines");
    let dir = tempfile::tempdir().unwrap();
    let video = scene().join("scene.mp4");
    let names = || {
        let entries = std::fs::read_dir(dir.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
    };
    let store = |input: &Path, stride: &str| {
        let how = ["--clips", text(dir.path()), "--force", "--clip-stride", stride];
        m2sd(&[&["scan", text(input), "--engines", text(&engines)][..], &how].concat())
    };
    assert_code(&store(&video, "16"), 0);
    let few = names();
    // What a scan of this input could not have stored.
    let others =
        ["scene_notes.npy", "scene_000000_face0_best.npy", "scenery_000000_face0_0.000s.npy"];
    others.iter().for_each(|name| std::fs::write(dir.path().join(name), "mine").unwrap());
    assert_code(&store(&video, "4"), 0);
    assert!(names().len() > few.len() + others.len(), "{:?}", names());
    let many = names();

    // One that ends before its first frame leaves what was there.
    std::fs::create_dir(dir.path().join("in")).unwrap();
    let broken = dir.path().join("in/scene.mp4");
    std::fs::write(&broken, "no video").unwrap();
    assert_code(&store(&broken, "16"), 3);
    std::fs::remove_dir_all(dir.path().join("in")).unwrap();
    assert_eq!(names(), many);

    assert_code(&store(&video, "16"), 0);
    let expected = others.iter().map(|name| OsString::from(*name)).chain(few).collect();
    assert_eq!(names(), expected);
}

#[test]
fn two_scans_do_not_write_one_file() {
    let engines = scene().join("engines");
    let dir = tempfile::tempdir().unwrap();
    let part = dir.path().join("scores.jsonl.part");
    let held = std::fs::File::create(&part).unwrap();
    let video = scene().join("scene.mp4");
    let scan = || {
        let args = ["scan", text(&video), "--out", text(dir.path()), "--no-video"];
        m2sd(&[&args[..], &["--engines", text(&engines)]].concat())
    };
    held.lock().unwrap();
    let run = scan();
    assert_code(&run, 3);
    assert!(stderr(&run).contains("another m2sd"), "{}", stderr(&run));
    assert!(part.exists());
    // The control: left over from a scan that is gone.
    drop(held);
    assert_code(&scan(), 0);
    assert!(!part.exists() && dir.path().join("scores.jsonl").is_file());
}

/// What a scan of a video says, with the networks of the drawn scene.
fn scan_scene(video: &Path, more: &[&str]) -> std::process::Output {
    let engines = scene().join("engines");
    let args = ["scan", text(video), "--engines", text(&engines), "--quiet", "--clip-stride", "8"];
    m2sd(&[&args[..], more].concat())
}

#[test]
fn folders_that_are_not_there_yet_hide_no_input_and_no_results() {
    let dir = tempfile::tempdir().unwrap();
    let evidence = dir.path().join("case");
    std::fs::create_dir(&evidence).unwrap();
    let input = evidence.join("annotated.mp4");
    std::fs::copy(scene().join("scene.mp4"), &input).unwrap();
    let before = std::fs::read(&input).unwrap();
    let out = evidence.join("new/../");
    for more in [&[][..], &["--force"]] {
        let run = scan_scene(&input, &[&["--out", text(&out)], more].concat());
        assert_code(&run, 2);
        assert_eq!(std::fs::read(&input).unwrap(), before);
    }
    let json = evidence.join("other/../annotated.mp4");
    let run = scan_scene(&input, &["--json", text(&json), "--force"]);
    assert_code(&run, 2);
    assert_eq!(std::fs::read(&input).unwrap(), before);
    // A name of dots is no way out of the folder of results.
    let (videos, results) = (dir.path().join("in"), dir.path().join("case/out"));
    std::fs::create_dir(&videos).unwrap();
    std::fs::copy(scene().join("scene.mp4"), videos.join("...mp4")).unwrap();
    let run = scan_scene(&videos, &["--out", text(&results)]);
    assert_code(&run, 0);
    assert!(!evidence.join("scores.jsonl").exists());
    assert_eq!(std::fs::read(&input).unwrap(), before);
}

#[test]
fn force_is_about_results_and_about_nothing_that_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let video = scene().join("scene.mp4");
    // Whatever is no record of a scan stays.
    for name in ["photo.jpg", "letter.txt", "scores.jsonl"] {
        let foreign = dir.path().join(name);
        std::fs::write(&foreign, "something of somebody's\n").unwrap();
        let run = scan_scene(&video, &["--json", text(&foreign), "--force"]);
        assert_code(&run, 2);
        assert!(stderr(&run).contains("no records of a scan"), "{}", stderr(&run));
        assert_eq!(std::fs::read_to_string(&foreign).unwrap(), "something of somebody's\n");
    }
    let results = dir.path().join("results");
    assert_code(&scan_scene(&video, &["--out", text(&results), "--no-video"]), 0);
    let key = dir.path().join("key");
    assert_code(&m2sd(&["key", "new", "--out", text(&key)]), 0);
    assert_code(&m2sd(&["seal", text(&results), "--key", text(&key)]), 0);
    for more in [&["--force"][..], &["--max-faces", "3", "--force"]] {
        let run = scan_scene(&video, &[&["--out", text(&results), "--no-video"], more].concat());
        assert_code(&run, 2);
        assert!(stderr(&run).contains("is sealed"), "{}", stderr(&run));
    }
    let public = dir.path().join("key.pub");
    assert_code(&m2sd(&["verify", text(&results), "--key", text(&public)]), 0);
}

#[test]
fn no_picture_or_video_is_replaced_but_one_that_a_scan_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let (input, out) = (dir.path().join("face.png"), dir.path().join("out"));
    draw(&input, Some(200));
    let scan = |more: &[&str]| scan_scene(&input, &[&["--out", text(&out)], more].concat());
    let picture = out.join("annotated.png");
    let is_refused = |path: &Path, more: &[&str]| {
        let run = scan(more);
        assert_code(&run, 2);
        let said = stderr(&run);
        assert!(said.contains("no records of a scan say that it wrote it"), "{said}");
        assert!(said.contains("move it away"), "{said}");
        assert_eq!(std::fs::read(path).unwrap(), b"of somebody", "{}", path.display());
    };
    std::fs::create_dir_all(out.join("crops")).unwrap();
    let crop = out.join("crops/face-0-highest.jpg");
    for path in [&picture, &crop] {
        std::fs::write(path, "of somebody").unwrap();
        is_refused(path, &[]);
        is_refused(path, &["--force"]);
        std::fs::remove_file(path).unwrap();
    }
    // Records are there, of the same scan, but they say nothing of a picture.
    assert_code(&scan(&["--no-video"]), 0);
    std::fs::write(&picture, "of somebody").unwrap();
    is_refused(&picture, &[]);
    is_refused(&picture, &["--force"]);

    // The controls: one that is empty is nobody's and no result, and what a scan wrote is replaced.
    let length = || picture.metadata().unwrap().len();
    for round in 0..2 {
        std::fs::write(&picture, "").unwrap();
        let run = scan(&[]);
        assert_code(&run, 0);
        assert!(length() > 0, "{round}");
    }
    let run = scan(&[]);
    assert!(stderr(&run).contains("These results were there"), "{}", stderr(&run));
    assert_code(&scan(&["--force", "--max-faces", "3"]), 0);
}

#[test]
fn what_a_killed_scan_left_is_replaced_by_a_scan_of_the_same_only() {
    let dir = tempfile::tempdir().unwrap();
    let (video, results) = (scene().join("scene.mp4"), dir.path().join("results"));
    assert_code(&scan_scene(&video, &["--out", text(&results), "--no-video"]), 0);
    let (whole, part) = (results.join("scores.jsonl"), results.join("scores.jsonl.part"));
    let records = std::fs::read_to_string(&whole).unwrap();
    let half: String = records.split_inclusive('\n').take(20).collect();
    std::fs::remove_file(&whole).unwrap();
    std::fs::remove_dir_all(results.join("crops")).unwrap();
    std::fs::write(&part, &half).unwrap();
    let run = scan_scene(&video, &["--out", text(&results), "--no-video", "--duration", "0.5"]);
    assert_code(&run, 2);
    assert!(stderr(&run).contains("span.duration"), "{}", stderr(&run));
    assert_eq!(std::fs::read_to_string(&part).unwrap(), half);
    std::fs::write(&part, "of another program\n").unwrap();
    assert_code(&scan_scene(&video, &["--out", text(&results), "--no-video"]), 2);
    std::fs::write(&part, &half).unwrap();
    assert_code(&scan_scene(&video, &["--out", text(&results), "--no-video"]), 0);
    assert!(whole.exists() && !part.exists());
}
