//! Rotation, uniform scale and shift.

/// `x' = a·x - b·y + tx`, `y' = b·x + a·y + ty`.
///
/// # Examples
///
/// ```
/// use gstm2sd::core::geometry::Similarity;
///
/// let pairs = [([0.0, 0.0], [5.0, 5.0]), ([1.0, 0.0], [7.0, 5.0]), ([0.0, 1.0], [5.0, 7.0])];
/// let twice = Similarity::fit(pairs.into_iter()).unwrap();
/// assert_eq!(twice.scale(), 2.0);
/// assert_eq!(twice.inverse().unwrap().apply([9.0, 9.0]), [2.0, 2.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    a: f64,
    b: f64,
    tx: f64,
    ty: f64,
}

impl Similarity {
    /// The transform that takes the first point of each pair nearest to the second, in the sense
    /// of least squares over all pairs, in the units of the second points.
    ///
    /// With both point sets moved to their means the normal equations fall apart into two
    /// quotients. `None` when the first points all coincide, there is none, or a number is not
    /// finite. Which set comes first matters: the inverse of a fit is not the fit of the inverse.
    pub fn fit(pairs: impl Iterator<Item = ([f64; 2], [f64; 2])> + Clone) -> Option<Self> {
        let mut count = 0.0;
        let mut sums = [0.0; 4];
        for ([x, y], [u, v]) in pairs.clone() {
            count += 1.0;
            sums = [sums[0] + x, sums[1] + y, sums[2] + u, sums[3] + v];
        }
        let [mx, my, mu, mv] = sums.map(|s| s / count);

        let (mut dot, mut cross, mut spread) = (0.0, 0.0, 0.0);
        for ([x, y], [u, v]) in pairs {
            let (x, y, u, v) = (x - mx, y - my, u - mu, v - mv);
            dot += x * u + y * v;
            cross += x * v - y * u;
            spread += x * x + y * y;
        }
        let (a, b) = (dot / spread, cross / spread);
        Self::finite(a, b, mu - (a * mx - b * my), mv - (b * mx + a * my))
    }

    fn finite(a: f64, b: f64, tx: f64, ty: f64) -> Option<Self> {
        [a, b, tx, ty].iter().all(|v| v.is_finite()).then_some(Self { a, b, tx, ty })
    }

    /// Where a point goes.
    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let Self { a, b, tx, ty } = *self;
        [a * x - b * y + tx, b * x + a * y + ty]
    }

    /// How many times longer a distance becomes.
    pub fn scale(&self) -> f64 {
        self.a.hypot(self.b)
    }

    /// `None` when everything is mapped to one point.
    pub fn inverse(&self) -> Option<Self> {
        let Self { a, b, tx, ty } = *self;
        let square = a * a + b * b;
        let (a, b) = (a / square, -b / square);
        Self::finite(a, b, -(a * tx - b * ty), -(b * tx + a * ty))
    }

    /// The 2×3 matrix that multiplies the column (x, y, 1).
    pub fn matrix(&self) -> [[f64; 3]; 2] {
        let Self { a, b, tx, ty } = *self;
        [[a, -b, tx], [b, a, ty]]
    }
}
