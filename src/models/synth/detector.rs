//! The analytic detector: exact boxes of drawn faces, in RetinaFace's own terms.
//!
//! At the centre of every 8-pixel cell it asks how far the face's colour reaches left, right, up
//! and down. The one cell that is nearest to the middle of what it found regresses the box from
//! its first anchor; all other anchors, and the coarser levels, see nothing. Reaches are running
//! maxima over 512 pixels, built by doubling, so a frame costs about as much as the real network.

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
const END: i64 = i64::MAX;

/// The two directions in which reaches are measured: the tensor axis of each.
const VERTICAL: i64 = 2;
const HORIZONTAL: i64 = 3;

pub(super) fn build() -> Graph {
    let mut d = Detector { g: Graph::new("analytic_detector") };
    let axes = [Axis::Any("N"), Axis::Size(3), Axis::Any("H"), Axis::Any("W")];
    let image = d.g.input("image", &axes);
    let mask = d.mask(&image);
    let found = d.faces(&mask);
    let nothing = [16, 32].map(|stride| d.empty_level(&mask, stride));

    let boxes = d.output(&found.boxes, &nothing, &[false; 8], 4);
    let classes = d.output(&found.classes, &nothing, &[true, false, true, false], 2);
    let points = d.output(&found.points, &nothing, &[false; 20], 10);
    let mut g = d.g;
    for (name, edge, values) in
        [("boxes", boxes, 4), ("classes", classes, 2), ("landmarks", points, 10)]
    {
        g.output(name, &edge, &[Axis::Any("N"), Axis::Any("A"), Axis::Size(values)]);
    }
    g
}

struct Detector {
    g: Graph,
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

/// One axis of a box as the cell's anchor regresses it.
struct Side {
    centre: Edge,
    size: Edge,
}

/// The finest level: for each output its values for both anchors, `[N,1,cells,cells]` each.
struct Faces {
    boxes: Vec<Edge>,
    classes: Vec<Edge>,
    points: Vec<Edge>,
}

impl Detector {
    fn binary(&mut self, op: &str, a: &Edge, b: f32) -> Edge {
        let b = self.g.scalar(b);
        self.g.op(op, &[a, &b], &[])
    }

    /// 1 where a pixel has a face's colour. The same whichever of red and blue comes first.
    fn mask(&mut self, image: &Edge) -> Edge {
        let means = self.g.floats("means", &[1, 3, 1, 1], vec![104.0, 117.0, 123.0]);
        let pixels = self.g.op("Add", &[image, &means], &[]);
        let [first, green, third] = [0, 1, 2].map(|c| self.g.slice(&pixels, 1, c..c + 1, 1));
        let strongest = self.g.op("Max", &[&first, &third], &[]);
        let excess = self.g.op("Sub", &[&strongest, &green], &[]);
        let is_face = self.binary("Greater", &excess, 128.0);
        self.g.op("Cast", &[&is_face], &[int("to", 1)])
    }

    fn faces(&mut self, mask: &Edge) -> Faces {
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
        let everything = self.binary("Add", &nothing, 1.0);

        let (across, down) = (self.side(&x, &width), self.side(&y, &height));
        let parts = [&across.centre, &down.centre, &across.size, &down.size];
        let mut boxes = parts.map(|v| self.g.op("Mul", &[v, &face], &[])).to_vec();
        let mut points = Vec::new();
        for [fx, fy] in FIVE_POINTS {
            for (reach, size, fraction) in [(&x, &width, fx), (&y, &height, fy)] {
                let at = self.point(reach, size, fraction);
                points.push(self.g.op("Mul", &[&at, &face], &[]));
            }
        }
        boxes.extend(vec![nothing.clone(); 4]);
        points.extend(vec![nothing.clone(); 10]);
        let background = self.g.op("Sub", &[&everything, &face], &[]);
        let classes = vec![background, face, everything, nothing];
        Faces { boxes, classes, points }
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

    fn side(&mut self, reach: &Reach, size: &Edge) -> Side {
        let offset = self.offset(reach);
        let centre = self.binary("Mul", &offset, 1.0 / (CENTRE_VARIANCE * ANCHOR_PX));
        // Where there is no face the size may be below zero, and its logarithm no number.
        let size = self.binary("Max", size, 1.0);
        let ratio = self.binary("Mul", &size, 1.0 / ANCHOR_PX);
        let log = self.g.op("Log", &[&ratio], &[]);
        Side { centre, size: self.binary("Mul", &log, 1.0 / SIZE_VARIANCE) }
    }

    fn point(&mut self, reach: &Reach, size: &Edge, fraction: f32) -> Edge {
        let inside = self.binary("Mul", size, fraction);
        let at = self.g.op("Add", &[&reach.start, &inside], &[]);
        let offset = self.g.op("Sub", &[&at, &reach.cell], &[]);
        self.binary("Mul", &offset, 1.0 / (CENTRE_VARIANCE * ANCHOR_PX))
    }

    /// Zeros in the shape of a coarser level.
    fn empty_level(&mut self, mask: &Edge, stride: i64) -> Edge {
        let lines = self.g.slice(mask, VERTICAL, 0..END, stride);
        let cells = self.g.slice(&lines, HORIZONTAL, 0..END, stride);
        self.binary("Mul", &cells, 0.0)
    }

    /// One output of all levels; `pattern` says which values of an anchor pair are 1 where there
    /// is no face.
    fn output(
        &mut self,
        finest: &[Edge],
        coarser: &[Edge; 2],
        pattern: &[bool],
        values: i64,
    ) -> Edge {
        let mut levels = vec![self.flatten(finest, values)];
        for zeros in coarser {
            let ones = self.binary("Add", zeros, 1.0);
            let parts: Vec<_> =
                pattern.iter().map(|one| if *one { ones.clone() } else { zeros.clone() }).collect();
            levels.push(self.flatten(&parts, values));
        }
        let levels: Vec<&Edge> = levels.iter().collect();
        self.g.op("Concat", &levels, &[int("axis", 1)])
    }

    fn flatten(&mut self, parts: &[Edge], values: i64) -> Edge {
        let parts: Vec<&Edge> = parts.iter().collect();
        let channels = self.g.op("Concat", &parts, &[int("axis", 1)]);
        let cells_last = self.g.transpose(&channels, &[0, 2, 3, 1]);
        self.g.reshape(&cells_last, &[0, -1, values])
    }
}
