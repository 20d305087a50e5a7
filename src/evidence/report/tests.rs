use std::path::Path;

use super::*;

fn folder(lines: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("scores.jsonl"), lines.join("\n")).unwrap();
    folder
}

fn frame(time: f64, face: &str) -> String {
    format!(r#"{{"type":"frame","time":{time},"analysed":true,"faces":[{face}]}}"#)
}

const HEADER: &str = r#"{"type":"header","input":{"name":"rtsp://bob:geheim@cam/\u202e<b>x</b>"},
"training":"trained","calibrated":true,"threshold":0.5}"#;

#[test]
fn faces_are_told_with_what_was_said_surest_of_them() {
    let header = HEADER.replace('\n', "");
    let lines = [
        header.clone(),
        frame(
            0.0,
            r#"{"track":3,"box":[1,2,30,40],"label":"insufficient","reason-text":"too dark"}"#,
        ),
        frame(
            0.1,
            r#"{"track":3,"box":[1,2,30,40],"label":"insufficient","reason-text":"too dark"}"#,
        ),
        r#"{"type":"clip","track":3,"start":0.0,"end":0.5,"score":0.9,"llr":4.0}"#.to_owned(),
        frame(
            1.0,
            r#"{"track":3,"label":"fake","score":0.9,"llr":4.0,"quality":{"pose":5.0,"failed":[]}}"#,
        ),
        frame(1.1, r#"{"track":3,"label":"uncertain","score":0.6}"#),
    ];
    let folder = folder(&lines.each_ref().map(String::as_str));
    let results = Results::read(folder.path()).unwrap();
    let face = &results.faces[&3];
    assert_eq!((face.said.label.as_str(), face.said.score, face.frames), ("fake", Some(0.9), 4));
    assert_eq!(face.gates, [Stretch { start: 0.0, end: 0.1, why: "too dark".to_owned() }]);
    assert_eq!(face.quality["pose"], [5.0; 3]);
    let page = html(&results, "test");
    // exp(4) is 54.6: moderate.
    assert!(page.contains("54.6 times likelier for a forged face"), "{page}");
    assert!(page.contains("moderate support"), "{page}");
    assert!(page.contains("did not come to its end"), "it has no footer: {page}");
    assert!(!page.contains("UNCALIBRATED"));
    // Hostile names and passwords.
    assert!(!page.contains("geheim") && !page.contains("<b>x</b>"), "{page}");
    assert!(page.contains("&lt;b&gt;"), "{page}");
    assert!(!page.contains('\u{202e}'), "what turns the title around is left in it");
}

#[test]
fn what_is_damaged_or_not_there_is_told() {
    let header = HEADER.replace('\n', "");
    let cut = folder(&[&header, "{\"type\":\"frame\",\"ti", "nonsense", &frame(0.5, "")]);
    let results = Results::read(cut.path()).unwrap();
    let lines: Vec<_> = results.unreadable.iter().map(|(line, _)| *line).collect();
    assert_eq!((lines, results.frames), (vec![2, 3], 1));
    let page = html(&results, "test");
    assert!(page.contains("2 lines of the records are damaged"), "{page}");
    assert!(page.contains("No face was found on 1 frame."), "{page}");

    let nothing = folder(&["nonsense"]);
    assert!(matches!(Results::read(nothing.path()), Err(ReportError::NotRecords { .. })));
    let error = Results::read(Path::new("/no/such/folder")).unwrap_err();
    assert!(error.to_string().contains("m2sd scan VIDEO --out /no/such/folder"), "{error}");
}

#[test]
fn records_that_are_not_what_their_footer_says_are_told() {
    let header =
        r#"{"type":"header","input":{"name":"a.mp4"},"span":{"start":2.0,"duration":1.5}}"#;
    let footer = r#"{"type":"footer","end":"complete","frames":2,"clips":0,"faces":1}"#;
    let face = |time| frame(time, r#"{"track":1,"label":"unscored"}"#);
    let page = |frames: &[String]| {
        let frames = frames.iter().map(String::as_str);
        let lines: Vec<_> = [header].into_iter().chain(frames).chain([footer]).collect();
        html(&Results::read(folder(&lines).path()).unwrap(), "test")
    };
    let whole = page(&[face(2.0), face(2.1)]);
    assert!(!whole.contains("not as they were written"), "{whole}");
    assert!(
        whole.contains("Only a part of the input was scanned, as asked for: from 2.00 s to 3.50 s")
    );
    let cut = page(&[face(2.0)]);
    assert!(cut.contains("by their footer they hold 2 frames, and hold 1."), "{cut}");
}

#[test]
fn a_line_that_is_too_long_is_one_line() {
    let long = "x".repeat(40 << 20);
    let folder = folder(&[&frame(0.0, ""), &long, "nonsense", &frame(0.5, "")]);
    let results = Results::read(folder.path()).unwrap();
    let lines: Vec<_> = results.unreadable.iter().map(|(line, _)| *line).collect();
    assert_eq!((lines, results.frames), (vec![2, 3], 2));
    // A command can be copied whatever the folder is called.
    let named = Results { folder: "/tmp/my results".into(), ..results };
    assert!(html(&named, "test").contains("m2sd reproduce '/tmp/my results'"));
}

#[test]
fn without_a_calibration_there_is_no_likelihood_ratio() {
    let clip = r#"{"type":"clip","track":1,"score":0.9,"llr":5.0}"#;
    let face = frame(0.0, r#"{"track":1,"label":"fake","score":0.9,"llr":5.0}"#);
    let folder = folder(&[&face, clip]);
    let results = Results::read(folder.path()).unwrap();
    let page = html(&results, "test");
    assert!(!page.contains("likelier") && !page.contains("148"), "{page}");
    // A clip of no time is none.
    assert_eq!(results.unreadable.len(), 1);
    assert!(!page.contains("NaN"), "{page}");
}

#[test]
fn what_the_file_says_of_itself_is_kept_apart_from_the_score() {
    let header = r#"{"type":"header","input":{"name":"a.mp4","provenance":{"state":"invalid",
"problems":["assertion.dataHash.mismatch"],"signer":{"name":"A. Signer","organisation":null,"serial":null,
"time":null,"trusted":null},"claim-generator":"<i>Editor</i> 2","title":null,"actions":[{"action":"c2pa.edited",
"when":"2026-11-01","software":null,"description":null,"source-type":null}],"ingredients":[],"address":null}}}"#;
    let folder = folder(&[&header.replace('\n', ""), &frame(0.0, "")]);
    let page = html(&Results::read(folder.path()).unwrap(), "test");
    for expected in [
        "credentials that do not fit it",
        "assertion.dataHash.mismatch",
        "A. Signer",
        "&lt;i&gt;Editor",
        "c2pa.edited: 2026-11-01",
        "no part of any score",
    ] {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
}

#[test]
fn the_scale_is_that_of_the_guideline_on_both_sides() {
    for (ratio, words) in [
        (1.0, "no support"),
        (1.9, "no support"),
        (2.1, "weak support"),
        (99.0, "moderate support"),
        (101.0, "moderately strong support"),
        (9_999.0, "strong support"),
        (10_001.0, "very strong support"),
        (2e6, "extremely strong support"),
    ] {
        for llr in [f64::ln(ratio), -f64::ln(ratio)] {
            assert_eq!(support(llr).words, words, "{ratio}");
        }
    }
}

#[test]
fn what_no_scan_can_have_written_is_damaged_and_told() {
    let header = HEADER.replace('\n', "");
    let clip = |start: &str, end: &str, score: &str| {
        format!(r#"{{"type":"clip","track":1,"start":{start},"end":{end},"score":{score}}}"#)
    };
    for (line, why) in [
        (clip("0.0", "1.0", "0.5"), None),
        (clip("1.0", "1.0", "null"), None),
        (clip("0.0", "1.0", "7"), Some("7 is no score")),
        (clip("0.0", "1.0", "-0.1"), Some("-0.1 is no score")),
        (clip("2.0", "1.0", "0.5"), Some("before it begins")),
        (clip("-2.0", "1.0", "0.5"), Some("no time of a stream")),
        (clip("0.0", "1e300", "0.5"), Some("no time of a stream")),
        (clip("0.0", "1e999", "0.5"), Some("it is no JSON from its character")),
        (r#"{"type":"clip","track":1}"#.to_owned(), Some("without start and end")),
        (frame(1.0, r#"{"track":1,"score":2}"#), Some("2 is no score")),
        (frame(1.0, r#"{"track":1,"frame-score":1.5}"#), Some("1.5 is no score")),
        (frame(1.0, r#"{"track":1,"box":[0,0,-5,5]}"#), Some("is no box")),
        (frame(1.0, r#"{"track":1,"box":[0,1e200,5,5]}"#), Some("is no box")),
        (frame(1.0, r#"{"track":1,"box":[0,1,5]}"#), Some("invalid length 3")),
        (frame(-1.0, ""), Some("no time of a stream")),
        (r#"{"type":"frame","time":"late"}"#.to_owned(), Some("invalid type: string")),
        (r#"{"type":"frame","ti"#.to_owned(), Some("it is cut short")),
        (" ".to_owned(), Some("it is empty")),
    ] {
        let folder = folder(&[&header, &frame(0.5, r#"{"track":1}"#), &line]);
        let results = Results::read(folder.path()).unwrap();
        match (why, results.unreadable.as_slice()) {
            (None, []) => {}
            (Some(why), [(3, told)]) => {
                assert!(told.contains(why) && !told.contains("column"), "{line}: {told}");
            }
            (_, found) => panic!("{line}: {found:?}"),
        }
    }
}

#[test]
fn records_of_a_newer_format_are_not_read_as_if_they_were_known() {
    for (format, is_read) in [(0, true), (1, true), (2, false)] {
        let header = format!(r#"{{"type":"header","format":{format}}}"#);
        let folder = folder(&[&header, &frame(0.5, r#"{"track":1}"#)]);
        match Results::read(folder.path()) {
            Ok(_) => assert!(is_read, "{format}"),
            Err(error) => {
                assert!(!is_read && error.to_string().contains("format 2"), "{format}: {error}");
            }
        }
    }
}

/// What several classifiers say together is what counts, and what is told.
#[test]
fn clips_of_an_ensemble_have_the_score_of_all() {
    let clip = r#"{"type":"clip","track":1,"start":0.0,"end":0.5,"score":0.9,"fused-score":0.2}"#;
    for (classifiers, score) in [(1, 0.9), (2, 0.2)] {
        let models = vec![r#"{"file":"a.onnx"}"#; classifiers].join(",");
        let header = format!(r#"{{"type":"header","classifiers":[{models}]}}"#);
        let folder = folder(&[&header, &frame(0.5, r#"{"track":1}"#), clip]);
        let face = &Results::read(folder.path()).unwrap().faces[&1];
        assert_eq!((face.clips[0].score, face.mean()), (Some(score), Some(score)));
    }
}

#[test]
fn a_picture_has_no_course_and_a_video_has() {
    let header = HEADER.replace('\n', "");
    let face = r#"{"track":1,"box":[1,2,30,40],"label":"fake","score":0.9,"quality":{"pose":5.0}}"#;
    let clip = r#"{"type":"clip","track":1,"start":0.0,"end":0.0,"score":0.9}"#;
    let page = |frames: &[String]| {
        let lines = [&header].into_iter().chain(frames).map(String::as_str);
        let folder = folder(&lines.chain([clip, r#"{"type":"footer"}"#]).collect::<Vec<_>>());
        html(&Results::read(folder.path()).unwrap(), "test")
    };
    let still = page(&[frame(0.0, face)]);
    let video = page(&[frame(0.0, face), frame(0.5, face)]);
    let moving =
        ["Bars: the scores", "0.00 to 0.50", "2 frames", "least", "dotted at first", "at 0.00 s"];
    for words in moving {
        assert!(video.contains(words) && !still.contains(words), "{words}: {still}\n{video}");
    }
    for words in ["1 face was found in one picture", "Its box.", "of its frame"] {
        assert!(still.contains(words), "{words}: {still}");
    }
    assert!(!still.contains("0.00"), "a time of what has none: {still}");
}

#[test]
fn faces_that_were_called_fake_have_pictures_before_others() {
    let header = HEADER.replace('\n', "");
    let seen = |n: u32, label: &str| format!(r#"{{"track":{n},"label":"{label}"}}"#);
    let faces: Vec<_> =
        (0..80).map(|n| seen(n, if n == 79 { "fake" } else { "insufficient" })).collect();
    let folder = folder(&[&header, &frame(0.5, &faces.join(","))]);
    let mut results = Results::read(folder.path()).unwrap();
    results.take_pictures("a test", |_, _| None, |_| Some(vec![1]));
    let pictured = |n: u64| results.faces[&n].frame.is_some();
    assert!(pictured(79) && pictured(0) && !pictured(78), "the limit is for others");
}

#[test]
fn folders_of_results_in_a_folder_are_named() {
    let parent = tempfile::tempdir().unwrap();
    for name in ["b", "a"] {
        std::fs::create_dir(parent.path().join(name)).unwrap();
        std::fs::write(parent.path().join(name).join("scores.jsonl"), "").unwrap();
    }
    std::fs::create_dir(parent.path().join("other")).unwrap();
    let error = Results::read(parent.path()).unwrap_err().to_string();
    let shown = parent.path().display();
    assert!(error.ends_with(&format!("those in it are {shown}/a, {shown}/b")), "{error}");
}
