//! Faces held against the golden ones.

use gstm2sd::core::detect::Face;
use gstm2sd::core::geometry::{BBox, Point};

fn edges(bbox: &BBox) -> [f32; 4] {
    [bbox.x1(), bbox.y1(), bbox.x2(), bbox.y2()]
}

pub fn distance_px(a: &Point, b: &Point) -> f32 {
    (a.x - b.x).hypot(a.y - b.y)
}

/// How far apart two sets of faces are: box edges in px, scores, points in px.
#[derive(Clone, Copy, Debug, Default)]
pub struct Difference {
    pub edge_px: f32,
    pub score: f32,
    pub point_px: f32,
}

impl Difference {
    /// The same picture, another implementation.
    pub const SAME_PIXELS: Self = Self { edge_px: 0.5, score: 2e-3, point_px: 0.5 };

    /// The largest differences between golden faces and their partners, whom they overlap most;
    /// no two have the same one.
    pub fn add(&mut self, found: &[Face], golden: &[Face]) {
        assert!(found.len() >= golden.len(), "{} faces of {}", found.len(), golden.len());
        let mut left = found.to_vec();
        for golden in golden {
            let overlap = |index: &usize| left[*index].bbox.iou(&golden.bbox);
            let nearest = (0..left.len()).max_by(|a, b| overlap(a).total_cmp(&overlap(b)));
            let nearest = left.swap_remove(nearest.unwrap());
            for (found, golden) in edges(&nearest.bbox).iter().zip(edges(&golden.bbox)) {
                self.edge_px = self.edge_px.max((found - golden).abs());
            }
            self.score = self.score.max((nearest.score - golden.score).abs());
            for (found, golden) in nearest.points.iter().zip(&golden.points) {
                self.point_px = self.point_px.max(distance_px(found, golden));
            }
        }
    }

    pub fn check(self, limits: Self) {
        let within = self.edge_px < limits.edge_px
            && self.score < limits.score
            && self.point_px < limits.point_px;
        assert!(within, "{self:?} exceeds {limits:?}");
    }
}
