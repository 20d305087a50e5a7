use super::*;
use crate::measure::evaluation::Subject;
use crate::measure::metrics::Bootstrap;
use crate::measure::{Class, NOT_DEGRADED, Table};

fn evaluation(rows: &str) -> Evaluation {
    let text = format!("file,label,group,score,reason\n{rows}");
    let scores = Table::read(text.as_bytes()).unwrap().scores("", NOT_DEGRADED);
    let frames: Vec<_> = scores.clips.iter().map(|clip| (clip.video, clip.score)).collect();
    let subject = Subject {
        classifier: "m2sd",
        degradation: NOT_DEGRADED,
        threshold: Some(0.5),
        scores: &scores,
        frames: &frames,
    };
    Evaluation::of(&subject, Bootstrap { replicates: 20, seed: 1 })
}

fn page(evaluation: Evaluation) -> String {
    let video = Video { file: "<script>.mp4".into(), class: Class::Real, group: String::new() };
    let classifiers = [Classifier {
        name: "m2sd".into(),
        standing: "Trained.".into(),
        degraded: vec![evaluation.clone()],
        evaluation,
        worst: vec![Worst { video, score: 0.9, face: Some("QUJD".into()) }],
    }];
    let facts = [("version".to_owned(), "1".to_owned())];
    render(&Page { title: "data & more", facts: &facts, classifiers: &classifiers }).unwrap()
}

#[test]
fn the_page_needs_nothing_else() {
    let rows = "a,real,x,0.1,\nb,real,y,0.4,\nc,fake,x,0.3,\nd,fake,y,0.9,\ne,fake,y,,no face\n";
    let page = page(evaluation(rows));
    for expected in [
        "data &amp; more",
        "&lt;script&gt;.mp4",
        "src=\"data:image/jpeg;base64,QUJD\"",
        "Across groups",
        "Robustness",
        "no face",
        "TPR at FPR 0.1 %",
    ] {
        assert!(page.contains(expected), "no {expected} in {page}");
    }
    assert_eq!(page.matches("<svg").count(), 5);
    // No address but that of the SVG name space, which nothing fetches.
    let addresses = page.matches("http").count();
    assert_eq!(addresses, page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
    assert!(!page.contains("NaN") && !page.contains("<script>"));
}

#[test]
fn a_page_without_scores_says_why() {
    let page = page(evaluation("a,real,,0.1,\nb,fake,,,no face\n"));
    assert!(page.contains("no fake video has a score"), "{page}");
    assert_eq!(page.matches("<svg").count(), 0);
}
