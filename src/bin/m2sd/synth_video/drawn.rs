//! The drawn scene.

use gstm2sd::models::synth::scene::Face;

use super::{HEIGHT_PX, WIDTH_PX};

/// A red face ("fake") that wanders to the right and a bluer one ("real") that circles; the second
/// third of the scene shows only the first, the last frames none.
fn faces(frame: u64, frames: u64) -> Vec<Face> {
    let turn = frame as f32 / 30.0 * std::f32::consts::TAU / 4.0;
    let wander = (frame as f32 * 1.5) as i32 % 300;
    let fake = Face { left_px: 40 + wander, top_px: 60, side_px: 96, red: 230 };
    let real = Face {
        left_px: (480.0 + 40.0 * turn.cos()) as i32,
        top_px: (200.0 + 30.0 * turn.sin()) as i32,
        side_px: 80,
        red: 25,
    };
    let third = frames / 3;
    match frame {
        f if f + 15 >= frames => vec![],
        f if (third..2 * third).contains(&f) => vec![fake],
        _ => vec![fake, real],
    }
}

/// One of so many frames, as packed RGB.
pub fn frame(frame: u64, frames: u64) -> Vec<u8> {
    let grey = |i: usize| 60 + ((i / 3 % WIDTH_PX) * 60 / WIDTH_PX) as u8;
    let mut rgb: Vec<u8> = (0..WIDTH_PX * HEIGHT_PX * 3).map(grey).collect();
    for face in faces(frame, frames) {
        face.draw(&mut rgb, WIDTH_PX);
    }
    rgb
}
