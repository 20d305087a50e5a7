//! The traces of compression in blocks.

use super::grey::luma;

/// The side of the blocks of JPEG, and of the smallest transforms of most video codecs.
const BLOCK_PX: usize = 8;
/// Rows that are looked at are enough for a mean.
const MOST_ROWS: usize = 64;

/// How much stronger the steps between blocks are than the steps inside them, of the blocks of 8 px
/// that a frame is divided into, after Wang, Sheikh and Bovik, "No-reference perceptual quality
/// assessment of JPEG compressed images" (2002): 0 where they are not, towards 1 where there is nothing
/// but blocks. Frames that were scaled or turned after they were compressed show none.
///
/// `pixels` are rows of `width`, which begin at `left` in the frame; `row` is memory for one.
pub(super) fn blockiness(pixels: &[[u8; 3]], width: usize, left: usize, row: &mut Vec<u8>) -> f32 {
    let [mut between, mut inside] = [Mean::default(); 2];
    let rows = pixels.chunks_exact(width.max(1));
    let step = rows.len().div_ceil(MOST_ROWS).max(1);
    for pixels in rows.step_by(step) {
        row.clear();
        row.extend(pixels.iter().map(|pixel| luma(*pixel)));
        let all: u32 = sum(row.iter().zip(row.iter().skip(1)));
        // The first pixel of each block, with the one before it.
        let first = (BLOCK_PX - left % BLOCK_PX) % BLOCK_PX;
        let first = if first == 0 { BLOCK_PX } else { first };
        let before = row.iter().skip(first - 1).step_by(BLOCK_PX);
        let edges = before.zip(row.iter().skip(first).step_by(BLOCK_PX));
        let (edge_sum, edge_count) = (sum(edges.clone()), edges.count());
        between.add(edge_sum, edge_count);
        inside.add(all - edge_sum, row.len() - 1 - edge_count);
    }
    match (between.get(), inside.get()) {
        (Some(between), Some(inside)) if between > inside => 1.0 - inside / between,
        _ => 0.0,
    }
}

fn sum<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> u32 {
    pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum()
}

#[derive(Clone, Copy, Default)]
struct Mean {
    sum: u64,
    count: usize,
}

impl Mean {
    fn add(&mut self, sum: u32, count: usize) {
        self.sum += u64::from(sum);
        self.count += count;
    }

    fn get(&self) -> Option<f32> {
        (self.count > 0).then(|| self.sum as f32 / self.count as f32)
    }
}
