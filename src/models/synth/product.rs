//! Matrix products in the shape of M2SD's own, and nothing else: how fast this machine could be.

use std::fs::File;
use std::path::Path;

use super::SynthError;
use super::seeded::{DEVIATION, Seeded};
use crate::models::arch::{ArchError, Tensors};
use crate::models::graph::{Axis, Graph, Part, int, ints};

/// Tokens and widths of the published M2SD's feed-forward layers (docs/method.md, "The M2SD
/// network").
const TOKENS: usize = 1569;
const WIDTH: usize = 768;
const HIDDEN: usize = 4 * WIDTH;
/// Enough that what a run costs beside its products does not count.
const PAIRS: usize = 6;

/// The shape of the input `x`.
pub const INPUT: [usize; 2] = [TOKENS, WIDTH];

/// Multiplications and additions of one run.
pub const FLOP: f64 = (2 * PAIRS * 2 * TOKENS * WIDTH * HIDDEN) as f64;

/// Writes the network `x` [`INPUT`] → `mean`, one number. Products of numbers around 1 stay there,
/// in every precision.
///
/// # Errors
/// [`SynthError`] when the file cannot be written.
pub fn write(path: &Path) -> Result<(), SynthError> {
    let shapes = [("widen", [WIDTH, HIDDEN]), ("narrow", [HIDDEN, WIDTH])];
    let mut g = Graph::new("matrix_products");
    let mut x = g.input("x", &INPUT.map(Axis::Size));
    let weights = shapes.map(|(name, [rows, columns])| {
        let scale = 1.0 / (DEVIATION * (rows as f32).sqrt());
        g.part(name, &[rows, columns], Part { scale, ..Part::all(name, rows) })
    });
    for weights in weights.iter().cycle().take(2 * PAIRS) {
        x = g.op("MatMul", &[&x, weights], &[]);
    }
    // So that the answer need not be copied.
    let mean = g.op("ReduceMean", &[&x], &[ints("axes", &[0, 1]), int("keepdims", 0)]);
    g.output("mean", &mean, &[]);
    let file = File::create(path).map_err(ArchError::Write)?;
    Ok(g.write(&mut Tensors::new(&mut Seeded::matrices(&shapes)), file)?)
}
