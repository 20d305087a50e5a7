//! Pictures stretched until their pixels are square.

use super::frame::for_layout;
use super::rows::Rows;
use super::{ImageError, PixelLayout};
use crate::core::geometry::Size;

/// Weights are in 1/256.
const ONE: u32 = 256;

/// Two source pixels along one axis, and how much of the second goes into a target pixel.
#[derive(Clone, Copy, Debug)]
struct Tap {
    near: usize,
    far: usize,
    far_share: u32,
}

/// The taps of `count` target pixels over `length` source pixels, bilinear between pixel centres.
fn taps(length: u32, count: u32) -> impl Iterator<Item = Tap> {
    let (ratio, last) = (f64::from(length) / f64::from(count), length as usize - 1);
    (0..count).map(move |target| {
        let place = ((f64::from(target) + 0.5) * ratio - 0.5).clamp(0.0, last as f64);
        let near = place.floor();
        let far_share = ((place - near) * f64::from(ONE)).round() as u32;
        Tap { near: near as usize, far: last.min(near as usize + 1), far_share }
    })
}

fn mix(near: u8, far: u8, far_share: u32) -> u8 {
    let sum = u32::from(near) * (ONE - far_share) + u32::from(far) * far_share;
    ((sum + ONE / 2) / ONE) as u8
}

/// One stored row at the target's width, as packed RGB.
#[derive(Debug, Default)]
struct WideRow {
    source: Option<usize>,
    pixels: Vec<u8>,
}

/// Reads a picture as if it had more columns or rows, with memory that is kept.
#[derive(Debug, Default)]
pub(super) struct Stretched {
    sizes: Option<(Size, Size)>,
    columns: Vec<Tap>,
    lines: Vec<Tap>,
    layout: Option<PixelLayout>,
    upper: WideRow,
    lower: WideRow,
    mixed: Vec<u8>,
}

impl Stretched {
    /// Begins with a picture of this size and layout.
    pub fn begin(&mut self, stored: Size, stretched: Size, layout: PixelLayout) {
        (self.upper.source, self.lower.source) = (None, None);
        self.layout = Some(layout);
        if self.sizes.replace((stored, stretched)) == Some((stored, stretched)) {
            return;
        }
        self.columns.clear();
        self.lines.clear();
        if stored != stretched {
            self.columns.extend(taps(stored.width(), stretched.width()));
            self.lines.extend(taps(stored.height(), stretched.height()));
        }
    }

    /// Row `y` of the stretched picture, as packed RGB.
    ///
    /// # Errors
    /// [`ImageError`] when the picture cannot be read.
    pub fn row(&mut self, rows: &mut Rows<'_, '_>, y: u32) -> Result<&[u8], ImageError> {
        let Some(line) = self.lines.get(y as usize).copied() else { return Ok(&[]) };
        // Going down, what was the lower row often becomes the upper one.
        if self.lower.source == Some(line.near) {
            std::mem::swap(&mut self.upper, &mut self.lower);
        }
        let layout = self.layout.unwrap_or(PixelLayout::Rgb);
        let far = (line.far_share > 0).then_some((&mut self.lower, line.far));
        for (wide, index) in [Some((&mut self.upper, line.near)), far].into_iter().flatten() {
            if wide.source != Some(index) {
                wide.source = Some(index);
                let row = rows.row(index as u32)?;
                for_layout!(layout, widen(row, &self.columns, &mut wide.pixels));
            }
        }
        if line.far_share == 0 {
            return Ok(&self.upper.pixels);
        }
        self.mixed.clear();
        let pairs = self.upper.pixels.iter().zip(&self.lower.pixels);
        self.mixed.extend(pairs.map(|(near, far)| mix(*near, *far, line.far_share)));
        Ok(&self.mixed)
    }
}

fn widen<const BYTES: usize, const RED: usize, const GREEN: usize, const BLUE: usize>(
    row: &[u8],
    columns: &[Tap],
    wide: &mut Vec<u8>,
) {
    let pixels = row.as_chunks::<BYTES>().0;
    wide.clear();
    for tap in columns {
        let [near, far] = [tap.near, tap.far].map(|at| pixels.get(at).unwrap_or(&[0; BYTES]));
        wide.extend([RED, GREEN, BLUE].map(|colour| mix(near[colour], far[colour], tap.far_share)));
    }
}
