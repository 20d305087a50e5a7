//! Faces that were planted in the outputs of each family come out where they were put.

use ndarray::Array2;

use super::*;
use crate::core::geometry::Point;

fn size(width: u32, height: u32) -> Size {
    Size::new(width, height).unwrap()
}

fn face(edges: [f32; 4], score: f32) -> Face {
    let [x1, y1, x2, y2] = edges;
    let bbox = BBox::new(x1, y1, x2, y2).unwrap();
    let points = [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]];
    let points = points.map(|[u, v]| Point { x: x1 + u * (x2 - x1), y: y1 + v * (y2 - y1) });
    Face { bbox, score, points }
}

fn assert_found(found: &[Face], wanted: &[Face]) {
    assert_eq!(found.len(), wanted.len(), "{found:?}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found.score - wanted.score).abs() < 1e-5, "{found:?} {wanted:?}");
        assert!(found.bbox.iou(&wanted.bbox) > 0.999, "{found:?} {wanted:?}");
        for (found, wanted) in found.points.iter().zip(wanted.points) {
            assert!((found.x - wanted.x).abs() + (found.y - wanted.y).abs() < 0.01);
        }
    }
}

/// Outputs by map, in which no cell shows a face.
struct Planted {
    input: Size,
    anchors: usize,
    scores: Vec<Array2<f32>>,
    boxes: Vec<Array2<f32>>,
    landmarks: Vec<Array2<f32>>,
}

impl Planted {
    fn new(input: Size, levels: usize, anchors: usize, scores_of_a_level: usize) -> Self {
        let rows = |level: usize| {
            let stride = 8 << level;
            (input.width() / stride * (input.height() / stride)) as usize * anchors
        };
        let tensors = |columns, times| {
            let all = (0..times).flat_map(|_| 0..levels);
            all.map(|level| Array2::zeros((rows(level), columns))).collect::<Vec<_>>()
        };
        let scores = tensors(1, scores_of_a_level);
        Self { input, anchors, scores, boxes: tensors(4, 1), landmarks: tensors(10, 1) }
    }

    fn outputs(&self) -> LevelOutputs<'_> {
        LevelOutputs {
            scores: self.scores.iter().map(|tensor| tensor.view()).collect(),
            boxes: self.boxes.iter().map(|tensor| tensor.view()).collect(),
            landmarks: self.landmarks.iter().map(|tensor| tensor.view()).collect(),
        }
    }

    /// The row of a cell's anchor, and where the cell begins.
    fn row(&self, level: usize, (column, line): (u32, u32), anchor: usize) -> (usize, [f32; 2]) {
        let stride = 8 << level;
        let cell = (line * (self.input.width() / stride) + column) as usize;
        let corner = [column, line].map(|cells| (cells * stride) as f32);
        (cell * self.anchors + anchor, corner)
    }

    fn plant_yunet(&mut self, level: usize, cell: (u32, u32), face: &Face) {
        let (row, [x, y]) = self.row(level, cell, 0);
        let stride = (8 << level) as f32;
        let b = &face.bbox;
        let centre = [(b.x1() + b.x2()) / 2.0, (b.y1() + b.y2()) / 2.0];
        let values = [
            (centre[0] - x) / stride,
            (centre[1] - y) / stride,
            (b.width() / stride).ln(),
            (b.height() / stride).ln(),
        ];
        self.boxes[level].row_mut(row).assign(&ndarray::arr1(&values));
        // One factor above 1, as rounding leaves it, counts as 1.
        self.scores[level][[row, 0]] = 1.0001;
        self.scores[level + 3][[row, 0]] = face.score * face.score;
        self.plant_points(level, row, [x, y], face);
    }

    fn plant_scrfd(&mut self, level: usize, cell: (u32, u32), anchor: usize, face: &Face) {
        let (row, [x, y]) = self.row(level, cell, anchor);
        let stride = (8 << level) as f32;
        let b = &face.bbox;
        let values = [x - b.x1(), y - b.y1(), b.x2() - x, b.y2() - y].map(|px| px / stride);
        self.boxes[level].row_mut(row).assign(&ndarray::arr1(&values));
        self.scores[level][[row, 0]] = face.score;
        self.plant_points(level, row, [x, y], face);
    }

    fn plant_points(&mut self, level: usize, row: usize, [x, y]: [f32; 2], face: &Face) {
        let stride = (8 << level) as f32;
        for (n, point) in face.points.iter().enumerate() {
            self.landmarks[level][[row, 2 * n]] = (point.x - x) / stride;
            self.landmarks[level][[row, 2 * n + 1]] = (point.y - y) / stride;
        }
    }
}

fn three_faces() -> [Face; 3] {
    [
        face([100.0, 20.0, 220.0, 150.0], 0.93),
        face([10.0, 20.0, 26.0, 38.0], 0.81),
        face([40.0, 60.0, 90.0, 120.0], 0.72),
    ]
}

/// Boxes of 100×100 px, when the far edge belongs to a box, one so far to the right of the other:
/// 58 of 142 px are shared, 57 of 143, 47 of 153, 46 of 154.
#[test]
fn boxes_that_overlap_by_more_than_their_family_allows_are_one_face() {
    for (right, of_yunet, of_scrfd) in [(42.0, 1, 1), (43.0, 1, 2), (53.0, 1, 2), (54.0, 2, 2)] {
        let better = face([60.0, 20.0, 159.0, 119.0], 0.9);
        let other = face([60.0 + right, 20.0, 159.0 + right, 119.0], 0.8);
        let (mut yunet, mut scrfd) =
            (Planted::new(size(320, 192), 3, 1, 2), Planted::new(size(320, 192), 3, 2, 1));
        for (cell, face) in [((3, 2), &better), ((5, 2), &other)] {
            yunet.plant_yunet(2, cell, face);
            scrfd.plant_scrfd(2, cell, 0, face);
        }
        for (outputs, faces) in [
            (FamilyOutputs::YuNet(yunet.outputs()), of_yunet),
            (FamilyOutputs::Scrfd(scrfd.outputs()), of_scrfd),
        ] {
            let found = outputs.faces(yunet.input, yunet.input, &DetectParams::default()).unwrap();
            assert_found(&found, &[better, other][..faces]);
        }
    }
}

#[test]
fn yunet_has_a_face_for_each_cell() {
    let mut planted = Planted::new(size(320, 192), 3, 1, 2);
    let faces = three_faces();
    planted.plant_yunet(2, (5, 2), &faces[0]);
    planted.plant_yunet(0, (2, 3), &faces[1]);
    planted.plant_yunet(1, (4, 5), &faces[2]);
    // The same face from the next cell, a little worse.
    planted.plant_yunet(2, (4, 2), &face([102.0, 20.0, 222.0, 150.0], 0.9));
    let params = DetectParams::default();
    let outputs = FamilyOutputs::YuNet(planted.outputs());
    assert_found(&outputs.faces(planted.input, planted.input, &params).unwrap(), &faces);

    // Outputs come in any order.
    let LevelOutputs { mut scores, mut boxes, landmarks } = planted.outputs();
    scores.reverse();
    boxes.swap(0, 2);
    let mixed = FamilyOutputs::YuNet(LevelOutputs { scores, boxes, landmarks });
    assert_found(&mixed.faces(planted.input, planted.input, &params).unwrap(), &faces);

    // What the input shows is twice as large, and three times as high.
    let found = outputs.faces(planted.input, size(640, 576), &params).unwrap();
    let edges = [200.0, 60.0, 440.0, 450.0];
    assert_found(&found[..1], &[face(edges, 0.93)]);
}

#[test]
fn scrfd_measures_from_the_corner_of_a_cell() {
    for (levels, anchors) in [(3, 2), (5, 1)] {
        let mut planted = Planted::new(size(384, 128), levels, anchors, 1);
        let faces = three_faces();
        planted.plant_scrfd(2, (5, 2), anchors - 1, &faces[0]);
        planted.plant_scrfd(0, (2, 3), 0, &faces[1]);
        planted.plant_scrfd(1, (4, 5), anchors - 1, &faces[2]);
        planted.plant_scrfd(1, (3, 5), 0, &face([41.0, 60.0, 91.0, 120.0], 0.7));
        let outputs = FamilyOutputs::Scrfd(planted.outputs());
        let params = DetectParams::default();
        assert_found(&outputs.faces(planted.input, planted.input, &params).unwrap(), &faces);
        let limited = DetectParams { max_faces: 1, min_face_px: 20.0, ..params };
        let found = outputs.faces(planted.input, planted.input, &limited).unwrap();
        assert_found(&found, &faces[..1]);
    }
}

#[test]
fn numbers_that_are_none_make_no_face_in_any_family() {
    for poison in [f32::NAN, f32::INFINITY, f32::MAX] {
        let mut yunet = Planted::new(size(64, 64), 3, 1, 2);
        let mut scrfd = Planted::new(size(64, 64), 3, 2, 1);
        let good = face([10.0, 10.0, 40.0, 40.0], 0.9);
        for column in [1, 2, 3] {
            yunet.plant_yunet(0, (column, 3), &good);
            scrfd.plant_scrfd(0, (column, 3), 0, &good);
        }
        for (planted, anchors) in [(&mut yunet, 1), (&mut scrfd, 2)] {
            planted.boxes[0][[(3 * 8 + 1) * anchors, 2]] = poison;
            planted.landmarks[0][[(3 * 8 + 2) * anchors, 9]] = f32::INFINITY.max(poison);
            planted.scores[0][[(3 * 8 + 3) * anchors, 0]] = f32::NAN;
        }
        let input = yunet.input;
        let outputs =
            [FamilyOutputs::YuNet(yunet.outputs()), FamilyOutputs::Scrfd(scrfd.outputs())];
        for outputs in outputs {
            let found = outputs.faces(input, input, &DetectParams::default()).unwrap();
            assert!(found.is_empty(), "{poison}: {found:?}");
        }
    }
}

#[test]
fn rows_that_fit_no_map_are_told() {
    let planted = Planted::new(size(320, 192), 3, 2, 1);
    let params = DetectParams::default();
    let error = FamilyOutputs::Scrfd(planted.outputs());
    let error = error.faces(size(320, 160), size(320, 160), &params).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the detector's scores have the rows [1920, 480, 120]; expected [1600, 400, 100], level by \
         level, for an input of 320x160 pixels: is the model a SCRFD?"
    );
    let error = FamilyOutputs::YuNet(planted.outputs());
    let error = error.faces(planted.input, planted.input, &params).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the detector's scores have the rows [1920, 480, 120]; expected [960, 960, 240, 240, 60, \
         60], level by level, for an input of 320x192 pixels: is the model a YuNet?"
    );
    let none = LevelOutputs { scores: vec![], boxes: vec![], landmarks: vec![] };
    assert!(FamilyOutputs::Scrfd(none).faces(size(64, 64), size(64, 64), &params).is_err());
}

/// Four maps with two or three anchors a cell, as small detectors have them.
#[test]
fn retinaface_has_the_anchors_that_it_is_told() {
    let sides = vec![vec![10.0, 16.0, 24.0], vec![32.0, 48.0], vec![64.0, 96.0], vec![128.0; 3]];
    let sides = AnchorSides(sides);
    let input = size(100, 80);
    let anchors = Anchors::of(input, Some(&sides));
    let cells = [13 * 10, 7 * 5, 4 * 3, 2 * 2];
    assert_eq!(anchors.count(), cells[0] * 3 + cells[1] * 2 + cells[2] * 2 + cells[3] * 3);
    let in_px = |index| {
        let a: Anchor = anchors.get(index).unwrap();
        [a.centre.x * 100.0, a.centre.y * 80.0, a.width * 100.0, a.height * 80.0].map(f32::round)
    };
    assert_eq!(in_px(2), [4.0, 4.0, 24.0, 24.0]);
    assert_eq!(in_px(3), [12.0, 4.0, 10.0, 10.0]);
    assert_eq!(in_px(390), [8.0, 8.0, 32.0, 32.0]);
    assert_eq!(in_px(anchors.count() - 1), [96.0, 96.0, 128.0, 128.0]);
    assert_eq!(anchors.get(anchors.count()), None);

    let count = anchors.count();
    let (boxes, landmarks) = (Array2::zeros((count, 4)), Array2::zeros((count, 10)));
    let mut classes = Array2::zeros((count, 2));
    classes[[391, 1]] = 0.8;
    let outputs = DetectorOutputs {
        boxes: boxes.view(),
        classes: classes.view(),
        landmarks: landmarks.view(),
    };
    let found = FamilyOutputs::RetinaFace { outputs, anchors: Some(&sides) };
    let found = found.faces(input, input, &DetectParams::default()).unwrap();
    assert_eq!((found.len(), found[0].bbox.width().round()), (1, 48.0));
    let error = decode(&outputs, input, input, &DetectParams::default()).unwrap_err();
    assert!(error.to_string().contains("have the shape [496, 4]"), "{error}");
    let other = AnchorSides(vec![vec![10.0, 20.0], vec![32.0, 64.5]]);
    let found = FamilyOutputs::RetinaFace { outputs, anchors: Some(&other) };
    let error = found.faces(input, input, &DetectParams::default()).unwrap_err().to_string();
    assert!(error.ends_with("is the model a RetinaFace with anchors=10,20;32,64.5?"), "{error}");
}
