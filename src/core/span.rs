//! Stretches of running time.

/// A half-open interval of running time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant inside.
    pub start_ns: u64,
    /// The first instant after it.
    pub end_ns: u64,
}

impl Span {
    /// The smallest interval that holds both.
    pub fn union(self, other: Self) -> Self {
        Self { start_ns: self.start_ns.min(other.start_ns), end_ns: self.end_ns.max(other.end_ns) }
    }

    /// From the start of the earliest of these frames to the end of the latest one: a frame before that ends where
    /// the next one begins, whatever its duration says. `None` of none.
    pub fn of_frames(frames: impl Iterator<Item = Self> + Clone) -> Option<Self> {
        let start_ns = frames.clone().map(|frame| frame.start_ns).min()?;
        let latest = frames.max_by_key(|frame| frame.start_ns)?;
        Some(Self { start_ns, end_ns: latest.end_ns })
    }

    /// Its length in nanoseconds.
    pub fn length_ns(self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// Its length in seconds.
    pub fn seconds(self) -> f64 {
        self.length_ns() as f64 / 1e9
    }
}
