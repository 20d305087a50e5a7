//! The traces of compression in blocks.

use crate::core::align::FaceCrop;

/// The side of the blocks of JPEG, and of the smallest transforms of most video codecs.
const BLOCK_PX: u32 = 8;

/// How much stronger the steps between blocks are than the steps inside them, of the blocks of 8 px
/// that a frame is divided into, after Wang, Sheikh and Bovik, "No-reference perceptual quality
/// assessment of JPEG compressed images" (2002): 0 where they are not, towards 1 where there is nothing
/// but blocks. Frames that were scaled or turned after they were compressed show none.
pub(super) fn blockiness(crop: &FaceCrop) -> f32 {
    let (mut between, mut inside) = (Mean::default(), Mean::default());
    let (place, image) = crop.held();
    for row in image.data().chunks_exact(3 * image.size().width() as usize) {
        let greens = row.iter().skip(1).step_by(3);
        let steps = greens.clone().zip(greens.skip(1)).map(|(a, b)| a.abs_diff(*b));
        for (step, x) in steps.zip(place.x() + 1..) {
            if x.is_multiple_of(BLOCK_PX) { &mut between } else { &mut inside }.add(step);
        }
    }
    match (between.get(), inside.get()) {
        (Some(between), Some(inside)) if between > inside => 1.0 - inside / between,
        _ => 0.0,
    }
}

#[derive(Default)]
struct Mean {
    sum: u64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: u8) {
        self.sum += u64::from(value);
        self.count += 1;
    }

    fn get(&self) -> Option<f32> {
        (self.count > 0).then(|| self.sum as f32 / self.count as f32)
    }
}
