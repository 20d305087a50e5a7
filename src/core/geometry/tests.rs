use proptest::prelude::*;

use super::*;

fn bbox() -> impl Strategy<Value = BBox> {
    let place = -300.0f32..900.0;
    let side = 0.01f32..500.0;
    (place.clone(), place, side.clone(), side)
        .prop_filter_map("empty box", |(x, y, w, h)| BBox::new(x, y, x + w, y + h))
}

fn similarity() -> impl Strategy<Value = Similarity> {
    (0.05f64..20.0, -3.2f64..3.2, -900.0f64..900.0, -900.0f64..900.0)
        .prop_map(|(scale, angle, tx, ty)| Similarity::fit(moved(scale, angle, tx, ty)).unwrap())
}

/// Three pairs that pin the given motion exactly.
fn moved(
    scale: f64,
    angle: f64,
    tx: f64,
    ty: f64,
) -> impl Iterator<Item = ([f64; 2], [f64; 2])> + Clone {
    let (a, b) = (scale * angle.cos(), scale * angle.sin());
    [[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]
        .into_iter()
        .map(move |[x, y]| ([x, y], [a * x - b * y + tx, b * x + a * y + ty]))
}

#[test]
fn boxes_without_area_or_number_are_refused() {
    assert!(BBox::new(0.0, 0.0, 0.0, 1.0).is_none());
    assert!(BBox::new(2.0, 0.0, 1.0, 1.0).is_none());
    assert!(BBox::new(f32::NAN, 0.0, 1.0, 1.0).is_none());
    assert!(BBox::new(0.0, f32::NEG_INFINITY, 1.0, 1.0).is_none());
    assert!(BBox::new(0.0, 0.0, 1.0e9, 1.0).is_none());
}

#[test]
fn the_inclusive_convention_counts_the_far_edge() {
    let a = BBox::new(0.0, 0.0, 9.0, 9.0).unwrap();
    let b = BBox::new(5.0, 0.0, 14.0, 9.0).unwrap();
    assert_eq!(a.iou(&b), 36.0 / 126.0);
    assert_eq!(a.iou_inclusive(&b), 50.0 / 150.0);
    let apart = BBox::new(9.5, 0.0, 12.0, 9.0).unwrap();
    assert_eq!(a.iou(&apart), 0.0);
    assert!(a.iou_inclusive(&apart) > 0.0);
}

#[test]
fn points_in_one_place_have_no_similarity() {
    assert!(Similarity::fit(std::iter::empty()).is_none());
    assert!(Similarity::fit([([1.0, 1.0], [2.0, 3.0]); 5].into_iter()).is_none());
    let nan = [([0.0, 0.0], [0.0, 0.0]), ([1.0, f64::NAN], [1.0, 1.0])];
    assert!(Similarity::fit(nan.into_iter()).is_none());
    let collapsed =
        Similarity::fit([([0.0, 0.0], [5.0, 5.0]), ([1.0, 0.0], [5.0, 5.0])].into_iter());
    assert!(collapsed.unwrap().inverse().is_none());
}

proptest! {
    #[test]
    fn iou_is_symmetric_and_a_fraction(a in bbox(), b in bbox()) {
        for (iou, mirrored) in
            [(a.iou(&b), b.iou(&a)), (a.iou_inclusive(&b), b.iou_inclusive(&a))]
        {
            prop_assert!((0.0..=1.0).contains(&iou));
            prop_assert!((iou - mirrored).abs() < 1e-12);
        }
        prop_assert!((a.iou(&a) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_fit_recovers_the_motion_it_is_shown(
        motion in similarity(),
        points in prop::collection::vec([-500.0f64..500.0, -500.0f64..500.0], 3..80),
    ) {
        let spread = points.iter().map(|p| (p[0] - points[0][0]).abs()).fold(0.0, f64::max);
        prop_assume!(spread > 1.0);
        let fitted = Similarity::fit(points.iter().map(|p| (*p, motion.apply(*p)))).unwrap();
        for p in points {
            let (want, got) = (motion.apply(p), fitted.apply(p));
            prop_assert!((want[0] - got[0]).abs() + (want[1] - got[1]).abs() < 1e-6);
        }
    }

    #[test]
    fn an_inverse_brings_every_point_home(
        motion in similarity(),
        p in [-500.0f64..500.0, -500.0f64..500.0],
    ) {
        let back = motion.inverse().unwrap().apply(motion.apply(p));
        prop_assert!((back[0] - p[0]).abs() + (back[1] - p[1]).abs() < 1e-6);
    }

    #[test]
    fn a_union_holds_both_rectangles(
        a in [0u32..50, 0u32..50, 51u32..99, 51u32..99],
        b in [0u32..50, 0u32..50, 51u32..99, 51u32..99],
    ) {
        let rect = |[l, t, r, b]: [u32; 4]| CropRect::from_edges(l, t, r, b).unwrap();
        let (a, b) = (rect(a), rect(b));
        let union = a.union(b);
        for part in [a, b] {
            prop_assert!(union.x() <= part.x() && part.right() <= union.right());
            prop_assert!(union.y() <= part.y() && part.bottom() <= union.bottom());
        }
        prop_assert_eq!(union, b.union(a));
    }
}
