//! The analytic detector: exact boxes of drawn faces, in the terms of a family.
//!
//! At the centre of every 8-pixel cell it asks how far the face's colour reaches left, right, up
//! and down. The one cell that is nearest to the middle of what it found tells the box, with its
//! first anchor; all other anchors, and the coarser levels, see nothing. Reaches are running
//! maxima over 512 pixels, built by doubling, so a frame costs about as much as the real network.

use crate::core::modelinfo::DetectorFamily;
use crate::models::graph::{Axis, Edge, Graph, int};

use super::scene::{FIVE_POINTS, LARGEST_PX, SMALLEST_PX};

/// Pixels of a cell, and of its first anchor.
const CELL_PX: i64 = 8;
const ANCHOR_PX: f32 = 16.0;
/// RetinaFace's variances (docs/method.md, "Detection").
const CENTRE_VARIANCE: f32 = 0.1;
const SIZE_VARIANCE: f32 = 0.2;
/// 2^9 = 512, the largest face.
const DOUBLINGS: u32 = LARGEST_PX.ilog2();
/// Farther than any pixel of any picture, and exact in single precision.
const FAR: f32 = 1_048_576.0;
/// "To the end", for slices.
pub(super) const END: i64 = i64::MAX;

/// The two directions in which reaches are measured: the tensor axis of each.
pub(super) const VERTICAL: i64 = 2;
pub(super) const HORIZONTAL: i64 = 3;

/// A detector of drawn faces to make up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectorShape {
    /// Whose outputs it has.
    pub family: DetectorFamily,
    /// Width and height, where it reads pictures of one size only.
    pub fixed_px: Option<[usize; 2]>,
}

impl Default for DetectorShape {
    fn default() -> Self {
        Self { family: DetectorFamily::RetinaFace, fixed_px: None }
    }
}

pub(super) fn build(shape: DetectorShape) -> Graph {
    let mut d = Detector { g: Graph::new("analytic_detector") };
    let [height, width] = match shape.fixed_px {
        Some([width, height]) => [Axis::Size(height), Axis::Size(width)],
        None => [Axis::Any("H"), Axis::Any("W")],
    };
    let image = d.g.input("image", &[Axis::Any("N"), Axis::Size(3), height, width]);
    let mask = d.mask(&image, shape.family);
    let found = d.faces(&mask, shape.family);
    match shape.family {
        DetectorFamily::RetinaFace => d.anchored_outputs(&mask, &found),
        DetectorFamily::YuNet => d.yunet_outputs(&mask, &found),
        DetectorFamily::Scrfd => d.scrfd_outputs(&mask, &found),
    }
    d.g
}

pub(super) struct Detector {
    pub g: Graph,
}

/// Where the colour around each cell's centre begins and ends along one axis, in pixels.
struct Reach {
    start: Edge,
    end: Edge,
    /// The cell's centre.
    cell: Edge,
    /// Whether the centre has the colour.
    inside: Edge,
}

/// The finest level: what each cell says, `[N,1,cells,cells]` each.
pub(super) struct Faces {
    /// Four numbers of a box.
    pub boxes: Vec<Edge>,
    /// 1 where there is a face.
    pub face: Edge,
    /// Ten numbers of five points.
    pub points: Vec<Edge>,
    /// 0 everywhere.
    pub nothing: Edge,
}

impl Detector {
    pub(super) fn binary(&mut self, op: &str, a: &Edge, b: f32) -> Edge {
        let b = self.g.scalar(b);
        self.g.op(op, &[a, &b], &[])
    }

    /// 1 where a pixel has a face's colour. The same whichever of red and blue comes first.
    fn mask(&mut self, image: &Edge, family: DetectorFamily) -> Edge {
        let pixels = match family {
            DetectorFamily::RetinaFace => {
                let means = self.g.floats("means", &[1, 3, 1, 1], vec![104.0, 117.0, 123.0]);
                self.g.op("Add", &[image, &means], &[])
            }
            DetectorFamily::YuNet => image.clone(),
            DetectorFamily::Scrfd => {
                let halves = self.binary("Mul", image, 128.0);
                self.binary("Add", &halves, 127.5)
            }
        };
        let [first, green, third] = [0, 1, 2].map(|c| self.g.slice(&pixels, 1, c..c + 1, 1));
        let strongest = self.g.op("Max", &[&first, &third], &[]);
        let excess = self.g.op("Sub", &[&strongest, &green], &[]);
        let is_face = self.binary("Greater", &excess, 128.0);
        self.g.op("Cast", &[&is_face], &[int("to", 1)])
    }

    fn faces(&mut self, mask: &Edge, family: DetectorFamily) -> Faces {
        // Centres of cells that hang over the edge lie beyond the picture: there is nothing.
        let padding = self.g.shape(&[0, 0, 0, 0, 0, 0, CELL_PX / 2, CELL_PX / 2]);
        let mask = self.g.op("Pad", &[mask, &padding], &[]);
        let x = self.reach(&mask, HORIZONTAL);
        let y = self.reach(&mask, VERTICAL);
        let (width, height) = (self.size(&x), self.size(&y));

        let mut rules = vec![x.inside.clone()];
        rules.extend(self.holds(&x, &width));
        rules.extend(self.holds(&y, &height));
        for (long, short) in [(&width, &height), (&height, &width)] {
            let twice = self.binary("Mul", short, 2.0);
            rules.push(self.rule("LessOrEqual", long, &twice));
        }
        let face = self.all(&rules);
        let nothing = self.binary("Mul", &face, 0.0);
        let (across, down) = match family {
            DetectorFamily::RetinaFace => (self.side(&x, &width), self.side(&y, &height)),
            DetectorFamily::YuNet => (self.cell_side(&x, &width), self.cell_side(&y, &height)),
            DetectorFamily::Scrfd => (self.distances(&x), self.distances(&y)),
        };
        let parts = [&across.0, &down.0, &across.1, &down.1];
        let boxes = parts.map(|v| self.g.op("Mul", &[v, &face], &[])).to_vec();
        let mut points = Vec::new();
        for [fx, fy] in FIVE_POINTS {
            for (reach, size, fraction) in [(&x, &width, fx), (&y, &height, fy)] {
                let at = self.point(reach, size, fraction, family);
                points.push(self.g.op("Mul", &[&at, &face], &[]));
            }
        }
        Faces { boxes, face, points, nothing }
    }

    /// Measures along `axis` in the lines through the cells' centres.
    fn reach(&mut self, mask: &Edge, axis: i64) -> Reach {
        let other = HORIZONTAL + VERTICAL - axis;
        let lines = self.g.slice(mask, other, CELL_PX / 2..END, CELL_PX);
        let zeros = self.binary("Mul", &lines, 0.0);
        let ones = self.binary("Add", &zeros, 1.0);
        let axis_index = self.g.int(axis);
        let count = self.g.op("CumSum", &[&ones, &axis_index], &[]);
        let position = self.binary("Sub", &count, 1.0);

        // The last pixel before here that is not a face's: the face begins after it.
        let outside = self.g.op("Sub", &[&ones, &lines], &[]);
        let mut start = self.g.op("Mul", &[&count, &outside], &[]);
        // The first pixel after here that is not: the face ends there.
        let far = self.binary("Mul", &lines, FAR);
        let mut end = self.g.op("Add", &[&position, &far], &[]);
        for step in (0..DOUBLINGS).map(|k| 1i64 << k) {
            let earlier = self.shifted(&start, axis, step, 0.0);
            start = self.g.op("Max", &[&start, &earlier], &[]);
            let later = self.shifted(&end, axis, -step, FAR);
            end = self.g.op("Min", &[&end, &later], &[]);
        }
        let [start, end, cell, inside] = [start, end, position, lines]
            .map(|line| self.g.slice(&line, axis, CELL_PX / 2..END, CELL_PX));
        Reach { start, end, cell, inside }
    }

    /// Moves `x` along `axis` by `step` pixels, towards the end where positive, and fills up.
    fn shifted(&mut self, x: &Edge, axis: i64, step: i64, fill: f32) -> Edge {
        let mut padding = [0; 8];
        let (before, range) = if step > 0 { (true, 0..-step) } else { (false, -step..END) };
        let place = if before { axis } else { axis + 4 };
        if let Some(pad) = padding.get_mut(place as usize) {
            *pad = step.abs();
        }
        let (padding, fill) = (self.g.shape(&padding), self.g.scalar(fill));
        let padded = self.g.op("Pad", &[x, &padding, &fill], &[]);
        self.g.slice(&padded, axis, range, 1)
    }

    fn size(&mut self, reach: &Reach) -> Edge {
        self.g.op("Sub", &[&reach.end, &reach.start], &[])
    }

    /// The distance from the cell's centre to the middle of what was found.
    fn offset(&mut self, reach: &Reach) -> Edge {
        let sum = self.g.op("Add", &[&reach.start, &reach.end], &[]);
        let middle = self.binary("Mul", &sum, 0.5);
        self.g.op("Sub", &[&middle, &reach.cell], &[])
    }

    fn rule(&mut self, op: &str, a: &Edge, b: &Edge) -> Edge {
        let holds = self.g.op(op, &[a, b], &[]);
        self.g.op("Cast", &[&holds], &[int("to", 1)])
    }

    /// The size is a face's, and no other cell is nearer to its middle.
    fn holds(&mut self, reach: &Reach, size: &Edge) -> [Edge; 4] {
        let offset = self.offset(reach);
        let half = CELL_PX as f32 / 2.0;
        [
            (size, "GreaterOrEqual", SMALLEST_PX as f32),
            (size, "LessOrEqual", LARGEST_PX as f32),
            (&offset, "GreaterOrEqual", -half),
            (&offset, "Less", half),
        ]
        .map(|(value, op, limit)| {
            let limit = self.g.scalar(limit);
            self.rule(op, value, &limit)
        })
    }

    fn all(&mut self, rules: &[Edge]) -> Edge {
        let mut rules = rules.iter().cloned();
        let first = rules.next().unwrap_or_else(|| self.g.scalar(1.0));
        rules.fold(first, |all, rule| self.g.op("Mul", &[&all, &rule], &[]))
    }

    /// One axis of a box as the cell's anchor regresses it: centre and size.
    fn side(&mut self, reach: &Reach, size: &Edge) -> (Edge, Edge) {
        let offset = self.offset(reach);
        let centre = self.binary("Mul", &offset, 1.0 / (CENTRE_VARIANCE * ANCHOR_PX));
        let log = self.log_of(size, ANCHOR_PX);
        (centre, self.binary("Mul", &log, 1.0 / SIZE_VARIANCE))
    }

    /// One axis of a box in cells: its centre from the cell's beginning, and its size.
    fn cell_side(&mut self, reach: &Reach, size: &Edge) -> (Edge, Edge) {
        let offset = self.offset(reach);
        let centre = self.in_cells(&offset);
        (centre, self.log_of(size, CELL_PX as f32))
    }

    /// One axis of a box in cells: how far it reaches from the cell's beginning, back and forth.
    fn distances(&mut self, reach: &Reach) -> (Edge, Edge) {
        let [start, end] = [&reach.start, &reach.end].map(|edge| {
            let offset = self.g.op("Sub", &[edge, &reach.cell], &[]);
            self.in_cells(&offset)
        });
        (self.binary("Mul", &start, -1.0), end)
    }

    /// From px from a cell's centre to cells from its beginning.
    fn in_cells(&mut self, offset: &Edge) -> Edge {
        let cells = self.binary("Mul", offset, 1.0 / CELL_PX as f32);
        self.binary("Add", &cells, 0.5)
    }

    fn log_of(&mut self, size: &Edge, unit_px: f32) -> Edge {
        // Where there is no face the size may be below zero, and its logarithm no number.
        let size = self.binary("Max", size, 1.0);
        let ratio = self.binary("Mul", &size, 1.0 / unit_px);
        self.g.op("Log", &[&ratio], &[])
    }

    fn point(&mut self, reach: &Reach, size: &Edge, fraction: f32, family: DetectorFamily) -> Edge {
        let inside = self.binary("Mul", size, fraction);
        let at = self.g.op("Add", &[&reach.start, &inside], &[]);
        let offset = self.g.op("Sub", &[&at, &reach.cell], &[]);
        match family {
            DetectorFamily::RetinaFace => {
                self.binary("Mul", &offset, 1.0 / (CENTRE_VARIANCE * ANCHOR_PX))
            }
            DetectorFamily::YuNet | DetectorFamily::Scrfd => self.in_cells(&offset),
        }
    }
}
