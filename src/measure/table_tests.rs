use super::*;

#[test]
fn what_is_written_is_read_back() {
    let video = Video { file: "a, \"b\".mp4".into(), class: Class::Fake, group: "x/y".into() };
    let mut scored = Row::without_score(&video, "m2sd", "jpeg-50", "");
    scored.score = Probability::new(0.1 + 0.2).ok();
    (scored.track, scored.start, scored.end) = (Some(3), Some(0.04), Some(1.0 / 3.0));
    scored.quality[QualityNumber::Pose as usize] = Some(12.5);
    let silent = Row::without_score(&video, "m2sd", "none", "no face");
    let table = Table { rows: vec![scored, silent] };
    let mut text = Vec::new();
    table.write(&mut text).unwrap();
    assert_eq!(Table::read(text.as_slice()).unwrap(), table);
    assert_eq!(QualityNumber::iter().count(), QUALITY_NUMBERS);
    assert_eq!(table.rows[0].quality(QualityNumber::Pose), Some(12.5));
}

#[test]
fn wrong_lines_are_named() {
    for (text, expected) in [
        ("file,score\na,1", "no column \"label\" among file, score"),
        ("file,label,score\na,real,0.1\nb,maybe,0.2", "line 3: label is \"maybe\""),
        ("file,label,score\na,real,1.5", "line 2: score is \"1.5\"; expected a probability"),
        ("file,label,score\na,real,nan", "line 2: score is \"nan\"; expected a number"),
        ("file,label,score\n,real,0.1", "line 2: file is \"\""),
        ("file,label,score\na,real,0.1\na,fake,0.1", "line 3: a is fake here and real before"),
        ("file,label,score\na,real", "line: 2"),
    ] {
        let error = Table::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn what_is_insufficient_says_nothing() {
    let text = "file,label,track,score,reason\na,fake,0,0.9,too-small\na,fake,1,0.2,\n\
                b,real,0,0.7,blurred\nc,real,,,no face\nd,real,0,0.1,\n";
    let all = Table::read(text.as_bytes()).unwrap().scores("", NOT_DEGRADED);
    let scores = all.sufficient();
    let of = |scores: &Scores| -> Vec<f64> {
        scores.of_videos().unwrap().scores().map(|(score, _)| score).collect()
    };
    assert_eq!((of(&all), of(&scores)), (vec![0.1, 0.7, 0.9], vec![0.1, 0.2]));
    let reasons: Vec<_> = scores.abstentions.iter().map(|a| (a.video, a.reason.as_str())).collect();
    assert_eq!(reasons, [(1, "insufficient: blurred"), (2, "no face")]);
}

#[test]
fn one_forged_face_makes_a_forged_video() {
    let text = "file,label,track,score,reason\na,fake,0,0.1,\na,fake,0,0.3,\na,fake,1,0.8,\n\
                b,real,0,0.4,\nc,real,,,no face\n";
    let scores = Table::read(text.as_bytes()).unwrap().scores("", NOT_DEGRADED);
    let of = |sample: Sample| sample.scores().map(|(score, _)| score).collect::<Vec<_>>();
    assert_eq!(of(scores.of_clips().unwrap()), [0.1, 0.3, 0.4, 0.8]);
    assert_eq!(of(scores.of_tracks().unwrap()), [0.2, 0.4, 0.8]);
    assert_eq!(of(scores.of_videos().unwrap()), [0.4, 0.8]);
    assert_eq!(scores.abstentions, [Abstention { video: 2, reason: "no face".into() }]);
}
