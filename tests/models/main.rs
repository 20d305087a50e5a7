//! Checkpoints, sound and hostile, through the public interface.

#[path = "../../fuzz/entries.rs"]
mod entries;
mod forge;
mod fuzz;
mod golden;
mod hostile;
mod synth;

use std::io::Cursor;

use forge::{Forge, Tensor, bytes};
use gstm2sd::models::torch::Checkpoint;

fn read(file: Vec<u8>, name: &str) -> Vec<f32> {
    Checkpoint::new(Cursor::new(file)).unwrap().read(name).unwrap()
}

#[test]
fn both_containers_give_the_same_numbers() {
    let forge = Forge::sound();
    for file in [forge.zip(), forge.legacy()] {
        assert_eq!(read(file.clone(), "a"), [0., 1., 2., 3., 4., 5.]);
        assert_eq!(read(file, "b"), [10., 11.]);
    }
}

#[test]
fn wrappers_and_prefixes_are_seen_through() {
    for wrapper in ["state_dict", "module", "model"] {
        let mut forge = Forge::sound();
        forge.wrapper = Some(wrapper);
        forge.tensors.iter_mut().for_each(|t| t.name.insert_str(0, "module."));
        let checkpoint = Checkpoint::new(Cursor::new(forge.zip())).unwrap();
        assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(checkpoint.ignored(), ["epoch"]);
    }
}

#[test]
fn views_and_element_types_are_read() {
    let mut forge = Forge::sound();
    // The transpose of `a`, and its last column.
    let transposed = Tensor { shape: vec![3, 2], stride: vec![1, 3], ..forge.tensors[0].clone() };
    let column = Tensor { shape: vec![2], stride: vec![3], offset: 2, ..transposed.clone() };
    forge.tensors.push(Tensor { name: "t".into(), ..transposed });
    forge.tensors.push(Tensor { name: "c".into(), ..column });
    assert_eq!(read(forge.zip(), "t"), [0., 3., 1., 4., 2., 5.]);
    assert_eq!(read(forge.legacy(), "c"), [2., 5.]);

    let cases: [(&str, Vec<u8>); 4] = [
        ("HalfStorage", vec![0x00, 0x3e, 0x00, 0xc0]),
        ("BFloat16Storage", vec![0xc0, 0x3f, 0x00, 0xc0]),
        ("DoubleStorage", [1.5f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("FloatStorage", bytes(&[1.5, -2.0])),
    ];
    for (class, data) in cases {
        let tensor = Tensor { class, ..Tensor::float("x", "k", &[2]) };
        let storages = vec![("k".to_owned(), data)];
        let forge = Forge { tensors: vec![tensor], storages, ..Forge::default() };
        assert_eq!(read(forge.zip(), "x"), [1.5, -2.0], "{class}");
    }
}
