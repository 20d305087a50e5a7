//! The drawn scene.

use gstm2sd::models::synth::moving::{circling, draw, wandering};
use gstm2sd::models::synth::scene::Face;

use super::{HEIGHT_PX, WIDTH_PX};

/// A red face ("fake") that wanders to the right and a bluer one ("real") that circles; the second
/// third of the scene shows only the first, the last frames none.
fn faces(frame: u64, frames: u64) -> Vec<Face> {
    let fake = wandering((frame as f32 * 1.5) as i32 % 300);
    let real = circling(frame as f32 / 30.0);
    let third = frames / 3;
    match frame {
        f if f + 15 >= frames => vec![],
        f if (third..2 * third).contains(&f) => vec![fake],
        _ => vec![fake, real],
    }
}

/// One of so many frames, as packed RGB.
pub fn frame(frame: u64, frames: u64) -> Vec<u8> {
    draw(&faces(frame, frames), [WIDTH_PX, HEIGHT_PX])
}
