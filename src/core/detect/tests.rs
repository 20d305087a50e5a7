use ndarray::Array2;
use proptest::prelude::*;

use super::retinaface::{MAX_OVERLAP, scores};
use super::*;
use crate::core::geometry::Point;

/// Outputs in which no anchor shows a face, to draw faces into.
struct Drawn {
    input: Size,
    boxes: Array2<f32>,
    classes: Array2<f32>,
    landmarks: Array2<f32>,
}

impl Drawn {
    fn new(width: u32, height: u32) -> Self {
        let input = Size::new(width, height).unwrap();
        let count = Anchors::new(input).count();
        let (boxes, classes) = (Array2::zeros((count, 4)), Array2::zeros((count, 2)));
        Self { input, boxes, classes, landmarks: Array2::zeros((count, 10)) }
    }

    /// Makes anchor `index` report `face`: the inverse of decoding.
    fn draw(&mut self, index: usize, face: &Face) {
        let anchor = Anchors::new(self.input).get(index).unwrap();
        let (w, h) = (self.input.width() as f32, self.input.height() as f32);
        let place = |p: Point| {
            [
                (p.x / w - anchor.centre.x) / (0.1 * anchor.width),
                (p.y / h - anchor.centre.y) / (0.1 * anchor.height),
            ]
        };
        let b = &face.bbox;
        let centre = Point { x: (b.x1() + b.x2()) / 2.0, y: (b.y1() + b.y2()) / 2.0 };
        let [dx, dy] = place(centre);
        let dw = (b.width() / w / anchor.width).ln() / 0.2;
        let dh = (b.height() / h / anchor.height).ln() / 0.2;
        self.boxes.row_mut(index).assign(&ndarray::arr1(&[dx, dy, dw, dh]));
        for (n, value) in face.points.iter().flat_map(|p| place(*p)).enumerate() {
            self.landmarks[[index, n]] = value;
        }
        self.classes[[index, 1]] = face.score;
    }

    fn decode(&self, params: &DetectParams) -> Result<Vec<Face>, DetectError> {
        let outputs = DetectorOutputs {
            boxes: self.boxes.view(),
            classes: self.classes.view(),
            landmarks: self.landmarks.view(),
        };
        decode(&outputs, self.input, self.input, params)
    }
}

fn face(x: f32, y: f32, side: f32, score: f32) -> Face {
    let bbox = BBox::new(x, y, x + side, y + side).unwrap();
    let points = [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]];
    let points = points.map(|[u, v]| Point { x: x + u * side, y: y + v * side });
    Face { bbox, score, points }
}

#[test]
fn anchors_follow_the_feature_maps() {
    // 640×360: maps of 80×45, 40×23 and 20×12 cells.
    let anchors = Anchors::new(Size::new(640, 360).unwrap());
    assert_eq!(anchors.count(), (80 * 45 + 40 * 23 + 20 * 12) * 2);
    let in_px = |index| {
        let a: Anchor = anchors.get(index).unwrap();
        [a.centre.x * 640.0, a.centre.y * 360.0, a.width * 640.0, a.height * 360.0]
            .map(|v| v.round())
    };
    assert_eq!(in_px(0), [4.0, 4.0, 16.0, 16.0]);
    assert_eq!(in_px(1), [4.0, 4.0, 32.0, 32.0]);
    assert_eq!(in_px(2), [12.0, 4.0, 16.0, 16.0]);
    assert_eq!(in_px(160), [4.0, 12.0, 16.0, 16.0]);
    assert_eq!(in_px(7200), [8.0, 8.0, 64.0, 64.0]);
    assert_eq!(in_px(7201), [8.0, 8.0, 128.0, 128.0]);
    assert_eq!(in_px(9040), [16.0, 16.0, 256.0, 256.0]);
    assert_eq!(in_px(9519), [624.0, 368.0, 512.0, 512.0]);
    assert_eq!(anchors.get(9520), None);
}

#[test]
fn faces_come_best_first_in_px_of_the_frame() {
    let mut drawn = Drawn::new(320, 240);
    let (good, better) = (face(20.0, 30.0, 40.0, 0.7), face(150.0, 60.0, 64.0, 0.9));
    drawn.draw(300, &good);
    drawn.draw(900, &better);
    let found = drawn.decode(&DetectParams::default()).unwrap();
    assert_eq!(found.len(), 2);
    for (found, wanted) in found.iter().zip([better, good]) {
        assert_eq!(found.score, wanted.score);
        assert!(found.bbox.iou(&wanted.bbox) > 0.999);
        for (found, wanted) in found.points.iter().zip(wanted.points) {
            assert!((found.x - wanted.x).abs() + (found.y - wanted.y).abs() < 0.01);
        }
    }

    let outputs = DetectorOutputs {
        boxes: drawn.boxes.view(),
        classes: drawn.classes.view(),
        landmarks: drawn.landmarks.view(),
    };
    let frame = Size::new(640, 240).unwrap();
    let stretched = decode(&outputs, drawn.input, frame, &DetectParams::default()).unwrap();
    assert!((stretched[0].bbox.x1() - 300.0).abs() < 0.01);
    assert!((stretched[0].bbox.y1() - 60.0).abs() < 0.01);
}

#[test]
fn thresholds_sizes_and_counts_are_kept() {
    let mut drawn = Drawn::new(320, 240);
    drawn.draw(10, &face(10.0, 10.0, 20.0, 0.9));
    drawn.draw(20, &face(60.0, 10.0, 40.0, 0.8));
    drawn.draw(30, &face(120.0, 10.0, 40.0, 0.5));
    drawn.draw(40, &face(200.0, 10.0, 40.0, 0.49));
    let scores =
        |params| -> Vec<f32> { drawn.decode(&params).unwrap().iter().map(|f| f.score).collect() };
    let default = DetectParams::default();
    assert_eq!(scores(default), [0.9, 0.8, 0.5]);
    assert_eq!(scores(DetectParams { min_face_px: 30.0, ..default }), [0.8, 0.5]);
    assert_eq!(scores(DetectParams { max_faces: 2, ..default }), [0.9, 0.8]);
    assert_eq!(scores(DetectParams { threshold: 0.0, ..default }), [0.9, 0.8, 0.5, 0.49]);
}

#[test]
fn of_two_boxes_on_one_face_the_better_stays() {
    let mut drawn = Drawn::new(320, 240);
    drawn.draw(10, &face(50.0, 50.0, 60.0, 0.8));
    drawn.draw(11, &face(55.0, 52.0, 60.0, 0.95));
    let found = drawn.decode(&DetectParams::default()).unwrap();
    assert_eq!(found.iter().map(|f| f.score).collect::<Vec<_>>(), [0.95]);
}

/// Faces for suppression alone, which must not depend on how exactly a box is decoded.
fn boxed(edges: [f32; 4], score: f32) -> Face {
    let [x1, y1, x2, y2] = edges;
    Face { bbox: BBox::new(x1, y1, x2, y2).unwrap(), ..face(0.0, 0.0, 1.0, score) }
}

/// 10×10 px and, inside of it, 4×10 px, when the far edge belongs to a box: an overlap of 0.4.
/// Without that pixel they would overlap by a third.
#[test]
fn an_overlap_of_four_tenths_stays_and_a_hair_more_does_not() {
    let better = boxed([0.0, 0.0, 9.0, 9.0], 0.9);
    let scores = |narrow: Face| -> Vec<f32> {
        suppress([better, narrow].into_iter(), MAX_OVERLAP).iter().map(|f| f.score).collect()
    };
    let at_limit = boxed([0.0, 0.0, 3.0, 9.0], 0.8);
    assert_eq!(better.bbox.iou_inclusive(&at_limit.bbox), 0.4);
    assert_eq!(scores(at_limit), [0.9, 0.8]);
    assert_eq!(scores(boxed([0.0, 0.0, 3.001, 9.0], 0.8)), [0.9]);
    assert_eq!(scores(boxed([0.0, 0.0, 9.0, 3.001], 0.8)), [0.9]);
    assert_eq!(scores(boxed([0.0, 0.0, 3.9, 9.0], 0.8)), [0.9], "49 %");
}

/// What overlaps a box that was dropped itself is not dropped for it.
#[test]
fn only_kept_boxes_suppress() {
    let row = [0.0, 4.0, 8.0].map(|x| boxed([x, 0.0, x + 9.0, 9.0], 0.9 - x / 100.0));
    assert!(row[0].bbox.iou_inclusive(&row[1].bbox) > MAX_OVERLAP);
    assert_eq!(suppress(row.into_iter(), MAX_OVERLAP), [row[0], row[2]]);
}

#[test]
fn a_score_of_exactly_the_threshold_is_a_face() {
    let found = |score: f32, params: DetectParams| {
        let mut drawn = Drawn::new(64, 64);
        drawn.draw(20, &face(10.0, 10.0, 20.0, score));
        drawn.decode(&params).unwrap().len()
    };
    let default = DetectParams::default();
    assert_eq!([0.5, 0.5f32.next_down()].map(|score| found(score, default)), [1, 0]);
    // However low the threshold, 0.02 is too little and the next number is not.
    let all = DetectParams { threshold: 0.0, ..default };
    assert_eq!([0.02, 0.02f32.next_up()].map(|score| found(score, all)), [0, 1]);
    // A drawn face has whole sides but for rounding, so the limits lie a little apart.
    let of_side = |min_face_px| found(0.9, DetectParams { min_face_px, ..default });
    assert_eq!([0.0, 19.99, 20.01].map(of_side), [1, 1, 0]);
    assert_eq!(default.min_face_px, 0.0, "no face is too small");
}

#[test]
fn a_face_is_as_large_as_its_shorter_side() {
    let mut drawn = Drawn::new(320, 240);
    let upright =
        Face { bbox: BBox::new(20.0, 20.0, 50.0, 100.0).unwrap(), ..face(20.0, 20.0, 30.0, 0.9) };
    drawn.draw(300, &upright);
    let of_side = |min_face_px| {
        let params = DetectParams { min_face_px, ..Default::default() };
        drawn.decode(&params).unwrap().len()
    };
    assert_eq!([29.9, 30.1].map(of_side), [1, 0]);
}

#[test]
fn ten_faces_are_kept_unless_told_otherwise() {
    let mut drawn = Drawn::new(640, 64);
    for n in 0..12u8 {
        drawn.draw(
            usize::from(n),
            &face(f32::from(n) * 50.0, 5.0, 30.0, 0.95 - f32::from(n) / 100.0),
        );
    }
    let found = drawn.decode(&DetectParams::default()).unwrap();
    let wanted: Vec<_> = (0..10u8).map(|n| 0.95 - f32::from(n) / 100.0).collect();
    assert_eq!(found.iter().map(|f| f.score).collect::<Vec<_>>(), wanted);
}

#[test]
fn five_thousand_candidates_are_looked_at_and_of_equal_ones_the_first() {
    let mut classes = Array2::from_elem((5002, 2), 0.5);
    classes[[5001, 1]] = 0.6;
    let best = candidates(scores(&classes.view()), 0.0);
    assert_eq!(best.len(), 5000);
    assert_eq!((best[0].index, best[1].index, best[4999].index), (5001, 0, 4998));
    assert_eq!(best[0].score, 0.6);
}

#[test]
fn seven_hundred_and_fifty_boxes_are_kept() {
    let apart = |n: usize| boxed([n as f32 * 20.0, 0.0, n as f32 * 20.0 + 9.0, 9.0], 0.9);
    let kept = suppress((0..760).map(apart), MAX_OVERLAP);
    assert_eq!(kept.len(), 750);
    assert_eq!(kept.last(), Some(&apart(749)));
    assert_eq!(suppress((0..749).map(apart), MAX_OVERLAP).len(), 749);
}

#[test]
fn numbers_that_are_none_make_no_face() {
    let good = face(150.0, 60.0, 64.0, 0.9);
    for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        let mut drawn = Drawn::new(320, 240);
        for index in [5, 6, 7] {
            drawn.draw(index, &good);
        }
        drawn.boxes[[5, 2]] = poison;
        drawn.landmarks[[6, 9]] = poison;
        drawn.classes[[7, 1]] = poison;
        let found = drawn.decode(&DetectParams::default()).unwrap();
        let sane = |f: &Face| f.points.iter().all(|p| p.x.is_finite() && p.y.is_finite());
        assert!(found.iter().all(sane), "{poison}: {found:?}");
        if !poison.is_finite() && poison > 0.0 || poison.is_nan() {
            assert!(found.is_empty(), "{poison}: {found:?}");
        }
    }
}

#[test]
fn a_wrong_shape_says_what_was_expected() {
    let mut drawn = Drawn::new(64, 64);
    drawn.landmarks = Array2::zeros((168, 136));
    let error = drawn.decode(&DetectParams::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the detector's landmarks have the shape [168, 136]; expected [168, 10] for an input of \
         64x64 pixels: is the model a RetinaFace with strides 8, 16 and 32?"
    );
}

proptest! {
    #[test]
    fn what_is_kept_is_sorted_apart_and_covers_the_rest(
        faces in prop::collection::vec(
            (0f32..200.0, 0f32..200.0, 10f32..90.0, 0.5f32..1.0),
            0..60,
        ),
    ) {
        let mut drawn = Drawn::new(320, 320);
        let faces: Vec<_> = faces.into_iter().map(|(x, y, s, score)| face(x, y, s, score)).collect();
        for (index, face) in faces.iter().enumerate() {
            drawn.draw(index, face);
        }
        let all = DetectParams { max_faces: usize::MAX, ..Default::default() };
        let found = drawn.decode(&all).unwrap();
        prop_assert!(found.is_sorted_by(|a, b| a.score >= b.score));
        for (n, a) in found.iter().enumerate() {
            for b in &found[n + 1..] {
                prop_assert!(a.bbox.iou_inclusive(&b.bbox) <= MAX_OVERLAP);
            }
        }
        for face in faces {
            let covers = |kept: &Face| {
                kept.score >= face.score && kept.bbox.iou_inclusive(&face.bbox) > MAX_OVERLAP - 1e-3
            };
            prop_assert!(found.iter().any(covers));
        }
    }

    #[test]
    fn any_numbers_are_survived(
        seed in prop::collection::vec(prop::num::f32::ANY, 16 * 42),
    ) {
        let input = Size::new(32, 32).unwrap();
        let count = Anchors::new(input).count();
        let mut values = seed.into_iter().cycle();
        let mut tensor = |columns| Array2::from_shape_simple_fn((count, columns), || values.next().unwrap());
        let (boxes, classes, landmarks) = (tensor(4), tensor(2), tensor(10));
        let outputs = DetectorOutputs {
            boxes: boxes.view(),
            classes: classes.view(),
            landmarks: landmarks.view(),
        };
        for face in decode(&outputs, input, input, &DetectParams::default()).unwrap() {
            prop_assert!(face.score.is_finite());
            prop_assert!(face.points.iter().all(|p| p.x.is_finite() && p.y.is_finite()));
        }
    }
}
