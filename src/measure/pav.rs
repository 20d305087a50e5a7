//! Pool adjacent violators: the best rising fit to what does not rise.

/// Neighbouring scores that share one proportion of fakes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Block {
    /// The lowest and the highest of the scores.
    pub first: f64,
    pub last: f64,
    /// Weights.
    pub real: f64,
    pub fake: f64,
}

/// From weights by rising score to blocks whose proportions of fakes rise strictly (M. Ayer and
/// others, *An empirical distribution function for sampling with incomplete information*, 1955).
pub(super) fn pool(steps: impl IntoIterator<Item = Block>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for mut block in steps {
        // Proportions are compared without division: fake/(real + fake) of one against the other's.
        while let Some(before) =
            blocks.pop_if(|before| before.fake * block.real >= block.fake * before.real)
        {
            block = Block {
                first: before.first,
                last: block.last,
                real: before.real + block.real,
                fake: before.fake + block.fake,
            };
        }
        blocks.push(block);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_rise() {
        let fakes = [0.0, 1.0, 0.0, 1.0, 1.0];
        let steps = fakes.iter().enumerate().map(|(n, fake)| {
            let at = n as f64;
            Block { first: at, last: at, real: 1.0 - fake, fake: *fake }
        });
        let blocks = pool(steps);
        let shape: Vec<_> = blocks.iter().map(|b| (b.first, b.last, b.real, b.fake)).collect();
        assert_eq!(shape, [(0.0, 0.0, 1.0, 0.0), (1.0, 2.0, 1.0, 1.0), (3.0, 4.0, 0.0, 2.0)]);
    }
}
