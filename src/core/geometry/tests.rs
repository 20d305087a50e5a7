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
fn boxes_reach_as_far_as_single_pixels_are_counted() {
    let far = BBox::LIMIT_PX;
    assert_eq!(far + 1.0, far, "the next pixel has no number of its own");
    assert!(far - 1.0 < far);
    assert!(BBox::new(-far, -far, far, far).is_some());
    let beyond = far.next_up();
    for edges in [[-beyond, 0.0, 1.0, 1.0], [0.0, -beyond, 1.0, 1.0], [0.0, 0.0, beyond, 1.0]] {
        let [x1, y1, x2, y2] = edges;
        assert!(BBox::new(x1, y1, x2, y2).is_none(), "{edges:?}");
    }
    assert!(BBox::new(0.0, 0.0, 1.0, beyond).is_none());
}

#[test]
fn sizes_and_rectangles_hold_at_least_one_pixel() {
    assert!(Size::new(0, 1).is_none() && Size::new(1, 0).is_none());
    let one = Size::new(1, 1).unwrap();
    assert_eq!((one.width(), one.height()), (1, 1));
    assert!(CropRect::from_edges(4, 4, 4, 5).is_none());
    assert!(CropRect::from_edges(4, 4, 5, 4).is_none());
    let pixel = CropRect::from_edges(4, 4, 5, 5).unwrap();
    assert_eq!(pixel.size(), one);
}

#[test]
fn a_rectangle_fits_up_to_the_last_row_and_column() {
    let rect = CropRect::from_edges(3, 5, 10, 20).unwrap();
    assert_eq!((rect.x(), rect.y(), rect.right(), rect.bottom()), (3, 5, 10, 20));
    assert_eq!((rect.width(), rect.height()), (7, 15));
    let fits = |w, h| rect.fits(Size::new(w, h).unwrap());
    assert_eq!([fits(10, 20), fits(9, 20), fits(10, 19), fits(11, 21)], [true, false, false, true]);
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

/// By hand: a quarter turn, twice as long, moved by (5, 7).
#[test]
fn a_similarity_turns_scales_and_shifts() {
    let pairs = [([0.0, 0.0], [5.0, 7.0]), ([1.0, 0.0], [5.0, 9.0]), ([0.0, 1.0], [3.0, 7.0])];
    let fit = Similarity::fit(pairs.into_iter()).unwrap();
    let near = |found: [f64; 2], wanted: [f64; 2]| {
        found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 1e-12)
    };
    assert!((fit.scale() - 2.0).abs() < 1e-12);
    assert!(near(fit.apply([3.0, 4.0]), [-3.0, 13.0]));
    let [[a, b, tx], [c, d, ty]] = fit.matrix();
    let by_matrix = [a * 3.0 + b * 4.0 + tx, c * 3.0 + d * 4.0 + ty];
    assert!(near(by_matrix, [-3.0, 13.0]));
    assert!(near(fit.inverse().unwrap().apply([-3.0, 13.0]), [3.0, 4.0]));
}

/// The fit of the inverse is not the inverse of the fit: what does not match counts in the units of
/// the second points, and shrinks the picture of the first.
#[test]
fn the_direction_of_a_fit_matters() {
    let pairs = [([0.0, 0.0], [0.0, 0.0]), ([2.0, 0.0], [2.0, 1.0]), ([4.0, 0.0], [4.0, 0.0])];
    let forth = Similarity::fit(pairs.into_iter()).unwrap();
    let back = Similarity::fit(pairs.into_iter().map(|(a, b)| (b, a))).unwrap();
    assert!((forth.scale() - 1.0).abs() < 1e-12);
    // 8 of 8 2/3: the spread of the second points has a part that no turn explains.
    assert!((back.scale() - 8.0 / (8.0 + 2.0 / 3.0)).abs() < 1e-12);
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
