//! Memory of clips that are done with, for those to come.
//!
//! A clip of floats is 10 MB. Taken anew from the system, each would come page by page, which takes
//! longer than to write it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ndarray::Ix4;

use crate::core::align::Warp;
use crate::infer::Tensor;

/// So many are kept: clips that wait, the one that runs and the one being made.
const MOST: usize = 4;

/// See the module's text. A clone is the same pool.
#[derive(Clone, Default)]
pub struct BufferPool(Arc<Pools>);

#[derive(Default)]
struct Pools {
    u8s: Free<Vec<u8>>,
    floats: Free<Vec<f32>>,
    warps: Free<Warp>,
}

/// Lock order: a leaf, held for a push or a pop.
#[derive(Default)]
struct Free<T>(Mutex<Vec<T>>);

impl<T: Default> Free<T> {
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> T {
        self.lock().pop().unwrap_or_default()
    }

    fn give(&self, memory: T) {
        let mut free = self.lock();
        if free.len() < MOST {
            free.push(memory);
        }
    }
}

impl BufferPool {
    pub fn u8s(&self) -> Vec<u8> {
        self.0.u8s.take()
    }

    pub fn floats(&self) -> Vec<f32> {
        self.0.floats.take()
    }

    /// What aligning a clip needs.
    pub fn warp(&self) -> Warp {
        self.0.warps.take()
    }

    pub fn give_warp(&self, warp: Warp) {
        self.0.warps.give(warp);
    }

    /// Takes back what a clip was in.
    pub fn give(&self, clip: Tensor<Ix4>) {
        match clip {
            Tensor::U8(clip) => self.0.u8s.give(clip.into_raw_vec_and_offset().0),
            Tensor::F32(clip) => self.0.floats.give(clip.into_raw_vec_and_offset().0),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::*;

    #[test]
    fn memory_comes_back_and_does_not_pile_up() {
        let pool = BufferPool::default();
        let clip = Array4::<f32>::zeros((3, 4, 8, 8));
        let place = clip.as_ptr();
        pool.give(clip.into());
        let again = pool.floats();
        assert_eq!((again.as_ptr(), again.len()), (place, 3 * 4 * 8 * 8));
        assert!(pool.u8s().is_empty() && pool.floats().is_empty());
        for _ in 0..2 * MOST {
            pool.give(Array4::<u8>::zeros((1, 1, 1, 1)).into());
        }
        assert_eq!(pool.0.u8s.lock().len(), MOST);
    }
}
