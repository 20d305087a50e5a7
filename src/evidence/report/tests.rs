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
    assert!(page.contains("No face was found on 1 frames"), "{page}");

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
