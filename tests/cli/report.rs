//! `m2sd report`: a page of a scan's results.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::{m2sd, records, scene, stderr, text};

fn scan(results: &Path, more: &[&str]) {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let args =
        ["scan", text(&video), "--out", text(results), "--engines", text(&engines), "--quiet"];
    let run = m2sd(&[&args[..], &["--clip-stride", "8"], more].concat());
    assert!(run.status.success(), "{}", stderr(&run));
}

#[test]
fn a_scan_has_a_page_that_needs_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    scan(&results, &[]);
    let run = m2sd(&["report", text(&results)]);
    assert!(run.status.success(), "{}", stderr(&run));
    let page = std::fs::read_to_string(results.join("report.html")).unwrap();
    for expected in [
        "called fake",
        "UNCALIBRATED",
        "The classifier knows drawn faces only",
        "data:image/jpeg;base64,",
        "Pictures are cut from the input",
        "m2sd reproduce",
        "The folder is not sealed",
    ] {
        assert!(page.contains(expected), "{expected} is not in the page");
    }
    // Nothing is fetched, nothing is run.
    for outside in ["http://", "https://", "<script", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    // Each picture has words, and headings are in order.
    assert_eq!(page.matches("<img").count(), page.matches("<img alt=\"").count());
    assert!(page.matches("<svg").count() >= 4);
    assert_eq!(page.matches("<svg").count(), page.matches("role=\"img\"").count());
    let levels = page.match_indices("<h").filter_map(|(at, _)| page[at + 2..].chars().next());
    let levels: Vec<_> = levels.filter_map(|level| level.to_digit(10)).collect();
    assert_eq!(levels.first(), Some(&1));
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");

    let again = m2sd(&["report", text(&results)]);
    assert_eq!(again.status.code(), Some(3));
    assert!(stderr(&again).contains("--force"), "{}", stderr(&again));
    let replaced = m2sd(&["report", text(&results), "--force"]);
    assert!(replaced.status.success(), "{}", stderr(&replaced));
    // Whatever is there and no report stays, by whatever name; and so does a folder that is sealed.
    let own = dir.path().join("own");
    let late = format!("<html>{}<title>Report: mine</title>", " ".repeat(8192));
    let of_somebody = [
        ("own.pdf", "%PDF-1.7 of somebody else"),
        ("own.html", "<html></html>"),
        ("late.html", &late),
    ];
    for (name, bytes) in of_somebody {
        let there = own.with_file_name(name);
        std::fs::write(&there, bytes).unwrap();
        let harm = m2sd(&["report", text(&results), "--force", "--out", text(&there)]);
        assert_eq!(harm.status.code(), Some(3), "{}", stderr(&harm));
        assert_eq!(std::fs::read_to_string(&there).unwrap(), bytes);
    }
    // A name that says nothing of a format, and those of a scan's files.
    let video = results.join("annotated.mp4");
    for there in [&video, &scene().join("scene.mp4"), &results.join("scores.jsonl")] {
        let before = std::fs::read(there).unwrap();
        let harm = m2sd(&["report", text(&results), "--force", "--out", text(there)]);
        assert!(stderr(&harm).contains(".html or .pdf"), "{}", stderr(&harm));
        assert_eq!(harm.status.code(), Some(2), "{}", stderr(&harm));
        assert_eq!(std::fs::read(there).unwrap(), before);
    }
    std::fs::write(results.join("seal.json"), "{}").unwrap();
    for out in [results.join("report.html"), results.join("new.html")] {
        let change = m2sd(&["report", text(&results), "--force", "--out", text(&out)]);
        assert_eq!(change.status.code(), Some(3), "{}", stderr(&change));
        assert!(stderr(&change).contains("is sealed"), "{}", stderr(&change));
    }
    std::fs::remove_file(results.join("seal.json")).unwrap();
}

#[test]
fn what_is_no_scan_is_told_and_what_is_half_of_one_is_reported_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let nothing = m2sd(&["report", text(dir.path())]);
    assert_eq!(nothing.status.code(), Some(3));
    assert!(stderr(&nothing).contains("m2sd scan VIDEO --out"), "{}", stderr(&nothing));
    let results = dir.path().join("results");
    scan(&results, &["--classifier", "none", "--no-video"]);
    // As a scan that was killed leaves it.
    let records = std::fs::read_to_string(results.join("scores.jsonl")).unwrap();
    let half: String = records.split_inclusive('\n').take(20).collect();
    std::fs::write(results.join("scores.jsonl"), half + "{\"type\":\"fra").unwrap();
    let page = dir.path().join("page.html");
    let run = m2sd(&["report", text(&results), "--out", text(&page)]);
    assert!(run.status.success(), "{}", stderr(&run));
    let page = std::fs::read_to_string(page).unwrap();
    for expected in
        ["did not come to its end", "There was no classifier", "1 line of the records is damaged"]
    {
        assert!(page.contains(expected), "{expected} is not in the page");
    }
}

/// The output of a command that must succeed.
fn output(program: &str, args: &[&str]) -> String {
    let run = Command::new(program).args(args).output();
    let run = run.unwrap_or_else(|_| panic!("{program} is needed: run make setup TEST=1"));
    assert!(run.status.success(), "{program}: {}", stderr(&run));
    String::from_utf8_lossy(&run.stdout).into_owned()
}

#[test]
fn the_pdf_says_what_the_page_says_and_can_be_heard() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    scan(&results, &[]);
    // A name that no font has all of, with what would turn the text around.
    let records = results.join("scores.jsonl");
    let named = std::fs::read_to_string(&records).unwrap();
    let named = named.replace("scene.mp4\",", "sc\u{202e}ene \u{10fffd} 顔 \u{1f9a9}.mp4\",");
    std::fs::write(&records, named).unwrap();
    let pdf = dir.path().join("report.pdf");
    let run = m2sd(&["report", text(&results), "--out", text(&pdf)]);
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(!results.join("report.html").exists(), "one report was asked for");
    let told = output("pdftotext", &["-layout", text(&pdf), "-"]);
    for expected in [
        "1 called fake",
        "UNCALIBRATED",
        "The classifier knows drawn faces only",
        "Face 0: fake",
        "What the classifier saw of the clip",
        "It is no proof",
        "m2sd reproduce",
        "All settings",
        "clip-stride",
    ] {
        assert!(told.contains(expected), "{expected} is not in {told}");
    }
    let info = output("pdfinfo", &[text(&pdf)]);
    assert!(
        info.lines().any(|line| line.starts_with("Tagged:") && line.ends_with("yes")),
        "{info}"
    );
    let tree = output("pdfinfo", &["-struct", text(&pdf)]);
    for expected in ["H1", "H2", "TH", "TBody", "Figure", "LBody"] {
        assert!(tree.contains(expected), "{expected} is not in {tree}");
    }
    let bytes = std::fs::read(&pdf).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("<pdfuaid:part>1</pdfuaid:part>"), "it does not say that it is PDF/UA-1");
}

#[test]
fn the_page_can_be_read_by_everybody_and_on_everything() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    scan(&results, &[]);
    // A face that could not be judged for a while.
    let records = results.join("scores.jsonl");
    let gated = std::fs::read_to_string(&records).unwrap();
    let gated =
        gated.replacen("\"label\":\"fake\"", "\"label\":\"insufficient\",\"reason\":\"dark\"", 5);
    std::fs::write(&records, gated).unwrap();
    assert!(m2sd(&["report", text(&results)]).status.success());
    let browser = Browser::start();
    let address = format!("file://{}", text(&results.join("report.html")));
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")] {
        browser.size(width, 900);
        browser.prefers(&[("prefers-color-scheme", scheme)]);
        browser.open(&address);
        browser.eval("document.querySelectorAll('details').forEach(one => one.open = true)");
        let contrast = browser.contrast();
        assert!(contrast["seen"].as_u64().unwrap() > 100, "{contrast}");
        assert_eq!(contrast["bad"], json!([]), "{width}, {scheme}");
        assert_eq!(browser.beyond(width), Value::Null, "{width}");
        browser.screenshot(&format!("report-{width}-{scheme}"));
    }
    let wrong = browser.eval(
        "(() => { const wrong = [];
          const all = (selector) => [...document.querySelectorAll(selector)];
          const need = (good, what) => { if (!good) wrong.push(what); };
          need(document.documentElement.lang === 'en', 'lang');
          need(all('h1').length === 1 && all('main').length === 1, 'one h1 in one main');
          const levels = all('h1, h2, h3').map(e => Number(e.tagName[1]));
          need(levels.every((level, n) => n === 0 || level <= levels[n - 1] + 1), 'levels ' + levels);
          need(all('img').length > 0, 'pictures');
          all('img').forEach(e => need(e.alt.length > 10 && e.complete && e.naturalWidth > 50, 'img ' + e.alt));
          all('svg').forEach(e => need(e.getAttribute('aria-label')?.length > 10, 'words of a drawing'));
          all('table').forEach(e => need(e.querySelector('th[scope=col]') && e.querySelector('th[scope=row]'), 'heads'));
          all('.scroll').forEach(e => need(e.tabIndex === 0 && e.ariaLabel, 'a region for keys'));
          all('a[href^=\"#\"]').forEach(e => need(document.getElementById(e.hash.slice(1)), 'target of ' + e.hash));
          const ids = all('[id]').map(e => e.id);
          need(new Set(ids).size === ids.length, 'ids once');
          return wrong; })()",
    );
    assert_eq!(wrong, json!([]));
    // Paper shows what a screen folds away.
    browser.open(&address);
    assert_eq!(browser.eval("document.querySelector('details dl').checkVisibility()"), false);
    let printed = dir.path().join("printed.pdf");
    std::fs::write(&printed, browser.print()).unwrap();
    let printed = output("pdftotext", &["-layout", text(&printed), "-"]);
    assert!(printed.contains("clip-stride"), "the settings are folded on paper: {printed}");
}

#[test]
fn a_scan_keeps_what_the_classifier_saw_and_the_same_again() {
    let dir = tempfile::tempdir().unwrap();
    let kept = |name: &str| {
        let results = dir.path().join(name);
        scan(&results, &["--set", "mode=complete"]);
        let told = std::fs::read_to_string(results.join("scores.jsonl")).unwrap();
        let footer = records(&told).pop().unwrap();
        let files = footer["crops"].as_array().unwrap().clone();
        assert!(files.len() >= 2, "{footer}");
        let bytes =
            |file: &Value| std::fs::read(results.join(file["file"].as_str().unwrap())).unwrap();
        (files.iter().map(bytes).collect::<Vec<_>>(), files)
    };
    let (first, files) = kept("first");
    assert!(first.iter().all(|jpeg| jpeg.starts_with(&[0xff, 0xd8, 0xff])));
    assert_eq!((first, files.clone()), kept("second"));
    // The score is that of the clip.
    let told = std::fs::read_to_string(dir.path().join("first/scores.jsonl")).unwrap();
    let told = records(&told);
    for file in &files {
        let is_it = |clip: &&Value| {
            clip["type"] == "clip"
                && ["track", "start", "end"].iter().all(|key| clip[key] == file[key])
        };
        assert_eq!(told.iter().find(is_it).unwrap()["score"], file["score"]);
    }
    // A face that the next scan does not find leaves nothing behind; what is somebody's stays.
    let crops = dir.path().join("first/crops");
    let name = files[0]["file"].as_str().unwrap();
    let of_before = "crops/face-99-highest.jpg";
    std::fs::rename(dir.path().join("first").join(name), crops.join("face-99-highest.jpg"))
        .unwrap();
    let written = dir.path().join("first/scores.jsonl");
    let text = std::fs::read_to_string(&written).unwrap().replace(name, of_before);
    std::fs::write(&written, text).unwrap();
    std::fs::write(crops.join("mine.jpg"), "mine").unwrap();
    scan(&dir.path().join("first"), &["--force"]);
    assert!(!crops.join("face-99-highest.jpg").exists());
    assert_eq!(std::fs::read_to_string(crops.join("mine.jpg")).unwrap(), "mine");
    let without = dir.path().join("without");
    scan(&without, &["--no-crops"]);
    assert!(!without.join("crops").exists());
}
