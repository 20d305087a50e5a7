//! Which work is still wanted.

/// Raised by every flush and stop. What carries an older one is stale and dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

impl Generation {
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A flush or stop came: what the caller holds is of an older generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale;
