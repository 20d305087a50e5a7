//! Detectors of each family: told apart by their outputs, and refused with what was found.

use gstm2sd::core::detect::{DetectParams, FamilyOutputs};
use gstm2sd::core::geometry::Size;
use gstm2sd::core::image::{ChannelOrder, Normalization, PixelValues};
use gstm2sd::core::modelinfo::{DetectorFamily, ModelInfo};
use gstm2sd::infer::{CancelToken, Detector, InferError, TensorInfo, load_detector};
use gstm2sd::models::arch::{Tensors, Weights};
use gstm2sd::models::checkpoint::CheckpointError;
use gstm2sd::models::graph::{Axis, Graph, int, ints};
use ndarray::{Array3, ArrayD};

use crate::common::{Fake, on, providers, tensor};

/// Of a picture of 64×64, for each of three maps.
const CELLS: [usize; 3] = [64, 16, 4];

/// Outputs of these columns for each map, with `anchors` rows a cell.
fn outputs(columns: &[i64], batch: bool) -> Vec<TensorInfo> {
    let of = |column: i64| {
        let dims = if batch { vec![1, -1, column] } else { vec![-1, column] };
        (0..3).map(move |level| tensor(&format!("{column}_{level}"), &dims))
    };
    columns.iter().flat_map(|column| of(*column)).collect()
}

fn answer(columns: &[i64], anchors: usize, batch: bool) -> Vec<ArrayD<f32>> {
    let of = |column: i64| {
        CELLS.map(|cells| {
            let (rows, columns) = (cells * anchors, column as usize);
            let dims = if batch { vec![1, rows, columns] } else { vec![rows, columns] };
            let mut values = ArrayD::zeros(dims);
            // The finest map's second cell shows a face of 16 px.
            if cells == 64 {
                let at = anchors * columns;
                let numbers: &[f32] = match (column, anchors) {
                    (1, _) => &[0.9],
                    (4, 1) => &[1.0, 1.0, std::f32::consts::LN_2, std::f32::consts::LN_2],
                    (4, _) => &[0.0, 0.0, 2.0, 2.0],
                    _ => &[0.5; 10],
                };
                let flat = values.as_slice_mut().unwrap();
                flat[at..at + columns].copy_from_slice(numbers);
            }
            values
        })
    };
    columns.iter().flat_map(|column| of(*column)).collect()
}

fn detector(
    columns: &'static [i64],
    anchors: usize,
    batch: bool,
    family: Option<DetectorFamily>,
) -> Result<Detector, InferError> {
    let input = vec![tensor("input", &[1, 3, 64, 64])];
    let engine = Fake::boxed(input, outputs(columns, batch), move |_, _| {
        Ok(answer(columns, anchors, batch))
    });
    Detector::from_engine(engine, &ModelInfo { family, ..ModelInfo::default() })
}

const YUNET: &[i64] = &[1, 1, 4, 10];
const SCRFD: &[i64] = &[1, 4, 10];

#[test]
fn outputs_tell_the_family_and_the_family_how_pixels_are_read() {
    for batch in [true, false] {
        let yunet = detector(YUNET, 1, batch, None).unwrap();
        assert_eq!(yunet.family(), DetectorFamily::YuNet);
        assert_eq!(yunet.channel_order(), ChannelOrder::Bgr);
        assert_eq!(yunet.values(), PixelValues::Normalized(Normalization::IDENTITY));
        let scrfd = detector(SCRFD, 2, batch, None).unwrap();
        assert_eq!(scrfd.family(), DetectorFamily::Scrfd);
        assert_eq!(scrfd.channel_order(), ChannelOrder::Rgb);
        let PixelValues::Normalized(norm) = scrfd.values() else { panic!() };
        let [low, high] = [0.0, 255.0].map(|level| level * norm.scale[1] + norm.offset[1]);
        assert_eq!((low, high), (-127.5 / 128.0, 127.5 / 128.0));
        assert_eq!([yunet.multiple_px(), scrfd.multiple_px()], [32, 32]);
    }
}

#[test]
fn a_run_gives_the_faces_of_the_family() {
    let size = Size::new(64, 64).unwrap();
    for batch in [true, false] {
        for (columns, anchors, x) in [(YUNET, 1, 8.0), (SCRFD, 2, 8.0)] {
            let mut detector = detector(columns, anchors, batch, None).unwrap();
            let picture = Array3::<f32>::zeros((3, 64, 64));
            let outputs = detector.run_family(picture.view(), &CancelToken::new()).unwrap();
            let found = outputs.faces(size, size, &DetectParams::default()).unwrap();
            assert_eq!(found.len(), 1, "{found:?}");
            let face = &found[0];
            assert!((face.bbox.x1() - x).abs() < 1e-3 && face.bbox.y1().abs() < 1e-3, "{face:?}");
            assert!((face.bbox.width() - 16.0).abs() < 1e-3, "{face:?}");
            assert_eq!((face.points[4].x, face.points[4].y), (12.0, 4.0));
            assert!((face.score - 0.9).abs() < 1e-6);
        }
    }
}

#[test]
fn numbers_that_are_none_are_an_error_in_every_family() {
    for columns in [YUNET, SCRFD] {
        let input = vec![tensor("input", &[1, 3, -1, -1])];
        let engine = Fake::boxed(input, outputs(columns, true), move |_, _| {
            let mut all = answer(columns, 1, true);
            all.last_mut().unwrap()[[0, 3, 9]] = f32::NAN;
            Ok(all)
        });
        let mut detector = Detector::from_engine(engine, &ModelInfo::default()).unwrap();
        let picture = Array3::<f32>::zeros((3, 64, 64));
        let error = detector.run_family(picture.view(), &CancelToken::new()).unwrap_err();
        assert!(error.to_string().starts_with("the detector's landmarks: the network answered"));
    }
}

#[test]
fn what_has_no_points_or_another_family_is_refused_with_what_was_found() {
    let refused = |columns, family| {
        let error = detector(columns, 2, true, family).err().unwrap();
        assert!(matches!(error, InferError::WrongSignature { .. }), "{error}");
        error.to_string()
    };
    // SCRFD without points.
    let error = refused(&[1, 4], None);
    assert!(error.contains("_kps") && error.contains("4_2 f32[1,?,4]"), "{error}");
    refused(SCRFD, Some(DetectorFamily::YuNet));
    refused(SCRFD, Some(DetectorFamily::RetinaFace));
    refused(YUNET, Some(DetectorFamily::Scrfd));
    refused(&[1, 1, 4], None);
}

#[test]
fn a_retinaface_goes_by_the_anchors_of_its_sidecar() {
    let three = [10, 4, 2].map(|last| tensor("y", &[1, -1, last])).to_vec();
    let engine = Fake::boxed(vec![tensor("x", &[1, 3, 64, 64])], three, |_, _| {
        Ok([10, 4, 2].map(|last| ArrayD::zeros(vec![1, 64 * 3 + 16, last])).to_vec())
    });
    let sidecar: ModelInfo = "[modelinfo]\nanchors=10,16,24;32".parse().unwrap();
    let mut detector = Detector::from_engine(engine, &sidecar).unwrap();
    let picture = Array3::<f32>::zeros((3, 64, 64));
    let outputs = detector.run_family(picture.view(), &CancelToken::new()).unwrap();
    assert!(matches!(outputs, FamilyOutputs::RetinaFace { anchors: Some(_), .. }));
    let size = Size::new(64, 64).unwrap();
    assert_eq!(outputs.faces(size, size, &DetectParams::default()).unwrap().len(), 0);
}

/// As InsightFace's files are: any size goes in, and outputs are declared as those of 640×640.
fn declared_for_another_size(path: &std::path::Path) {
    let mut g = Graph::new("scrfd");
    let axes = [Axis::Size(1), Axis::Size(3), Axis::Any("H"), Axis::Any("W")];
    let image = g.input("input.1", &axes);
    let mut name = 448;
    for columns in [1usize, 4, 10] {
        for stride in [8, 16, 32] {
            let pool = [ints("kernel_shape", &[stride; 2]), ints("strides", &[stride; 2])];
            let cells = g.op("MaxPool", &[&image], &pool);
            let one = g.slice(&cells, 1, 0..1, 1);
            let channels = vec![&one; 2 * columns];
            let all = g.op("Concat", &channels, &[int("axis", 1)]);
            let rows = g.transpose(&all, &[0, 2, 3, 1]);
            let rows = g.reshape(&rows, &[-1, columns as i64]);
            let declared = (640 / stride as usize).pow(2) * 2;
            g.output(&name.to_string(), &rows, &[Axis::Size(declared), Axis::Size(columns)]);
            name += 1;
        }
    }
    let mut none = Nothing;
    g.write(&mut Tensors::new(&mut none), std::fs::File::create(path).unwrap()).unwrap();
}

/// Weights of a network that has none.
struct Nothing;

impl Weights for Nothing {
    fn shape(&self, _: &str) -> Option<&[usize]> {
        None
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        Err(CheckpointError::NoSuchTensor(name.to_owned()))
    }
}

#[test]
fn outputs_may_have_other_rows_than_the_file_declares() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("det_10g.onnx");
    declared_for_another_size(&model);
    for provider in providers() {
        let mut detector = load_detector(&model, &on(provider), &CancelToken::new()).unwrap();
        assert_eq!(detector.family(), DetectorFamily::Scrfd);
        for (width, height) in [(320, 192), (64, 96), (640, 640)] {
            let picture = Array3::<f32>::from_elem((3, height, width), 0.75);
            let outputs = detector.run_family(picture.view(), &CancelToken::new()).unwrap();
            let size = Size::new(width as u32, height as u32).unwrap();
            let found = outputs.faces(size, size, &DetectParams::default()).unwrap();
            assert_eq!(found.len(), 10, "{provider}: {width}x{height}");
            assert!(found.iter().all(|face| (face.score - 0.75).abs() < 1e-2), "{provider}");
        }
    }
}
