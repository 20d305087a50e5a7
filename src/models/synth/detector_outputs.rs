//! What the analytic detector found, as the outputs of each family.

use super::detector::{Detector, END, Faces, HORIZONTAL, VERTICAL};
use crate::models::graph::{Axis, Edge, int};

impl Faces {
    /// What a cell says, as its first anchor's, and nothing as its second's.
    fn pair(&self, values: &[Edge]) -> Vec<Edge> {
        let empty = values.iter().map(|_| self.nothing.clone());
        values.iter().cloned().chain(empty).collect()
    }
}

impl Detector {
    /// RetinaFace's: all levels one behind the other, two anchors a cell.
    pub(super) fn anchored_outputs(&mut self, mask: &Edge, found: &Faces) {
        let coarser = [16, 32].map(|stride| self.empty_level(mask, stride));
        let everything = self.binary("Add", &found.nothing, 1.0);
        let background = self.g.op("Sub", &[&everything, &found.face], &[]);
        let (boxes, points) = (found.pair(&found.boxes), found.pair(&found.points));
        let classes = [background, found.face.clone(), everything, found.nothing.clone()];
        let background = [true, false, true, false];
        let boxes = self.levels(&boxes, &coarser, &[false; 8], 4);
        let classes = self.levels(&classes, &coarser, &background, 2);
        let points = self.levels(&points, &coarser, &[false; 20], 10);
        for (name, edge, values) in
            [("boxes", boxes, 4), ("classes", classes, 2), ("landmarks", points, 10)]
        {
            self.g.output(name, &edge, &[Axis::Any("N"), Axis::Any("A"), Axis::Size(values)]);
        }
    }

    /// YuNet's: a row for each cell, twelve outputs in the order of OpenCV's file.
    pub(super) fn yunet_outputs(&mut self, mask: &Edge, found: &Faces) {
        let score = std::slice::from_ref(&found.face);
        let kinds: [(&str, &[Edge]); 4] =
            [("cls", score), ("obj", score), ("bbox", &found.boxes), ("kps", &found.points)];
        for (kind, values) in kinds {
            for (level, stride) in [8, 16, 32].into_iter().enumerate() {
                let rows = self.level_rows(mask, values, level, stride);
                let axes = [Axis::Any("N"), Axis::Any("A"), Axis::Size(values.len())];
                self.g.output(&format!("{kind}_{stride}"), &rows, &axes);
            }
        }
    }

    /// SCRFD's: two anchors a cell, nine outputs without an axis for the batch, whose names are
    /// numbers.
    pub(super) fn scrfd_outputs(&mut self, mask: &Edge, found: &Faces) {
        let score = std::slice::from_ref(&found.face);
        let kinds = [score, &found.boxes, &found.points].map(|values| found.pair(values));
        for (kind, values) in kinds.iter().enumerate() {
            for (level, stride) in [8, 16, 32].into_iter().enumerate() {
                let columns = values.len() / 2;
                let rows = self.level_rows(mask, values, level, stride);
                let rows = self.g.reshape(&rows, &[-1, columns as i64]);
                let name = (448 + 23 * level + 3 * kind).to_string();
                self.g.output(&name, &rows, &[Axis::Any("A"), Axis::Size(columns)]);
            }
        }
    }

    /// A level's cells as rows: of the finest what was found, of others nothing.
    fn level_rows(&mut self, mask: &Edge, values: &[Edge], level: usize, stride: i64) -> Edge {
        if level == 0 {
            return self.flatten(values, values.len() as i64);
        }
        let empty = vec![self.empty_level(mask, stride); values.len()];
        self.flatten(&empty, values.len() as i64)
    }

    /// Zeros in the shape of a coarser level.
    fn empty_level(&mut self, mask: &Edge, stride: i64) -> Edge {
        let lines = self.g.slice(mask, VERTICAL, 0..END, stride);
        let cells = self.g.slice(&lines, HORIZONTAL, 0..END, stride);
        self.binary("Mul", &cells, 0.0)
    }

    /// One output of all levels; `pattern` says which values of an anchor pair are 1 where there
    /// is no face.
    fn levels(
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
