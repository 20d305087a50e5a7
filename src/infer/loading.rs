//! What accompanies a load.

use std::path::Path;

use super::cancel::CancelToken;
use crate::core::modelinfo::Role;

/// Something that a load does and that takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadStep<'a> {
    /// TensorRT builds its engine of this model, which takes minutes, once.
    Building {
        /// The network's file.
        model: &'a Path,
    },
}

type Listener<'a> = &'a dyn Fn(LoadStep<'_>);

/// What ends a load, and who hears of its steps. A `&CancelToken` is one that nobody hears of.
#[derive(Clone, Copy)]
pub struct Loading<'a> {
    pub(super) cancel: &'a CancelToken,
    /// What the network is for: its inputs' sizes follow from that.
    pub(super) role: Option<Role>,
    listener: Option<Listener<'a>>,
}

impl<'a> Loading<'a> {
    /// A load that `cancel` ends, and whose steps `listener` hears of, on the thread that loads.
    pub fn new(cancel: &'a CancelToken, listener: Listener<'a>) -> Self {
        Self { cancel, role: None, listener: Some(listener) }
    }

    /// What ends the load.
    pub fn token(&self) -> &'a CancelToken {
        self.cancel
    }

    pub(super) fn of(self, role: Role) -> Self {
        Self { role: Some(role), ..self }
    }

    pub(super) fn tell(&self, step: LoadStep<'_>) {
        if let Some(listener) = self.listener {
            listener(step);
        }
    }
}

impl<'a> From<&'a CancelToken> for Loading<'a> {
    fn from(cancel: &'a CancelToken) -> Self {
        Self { cancel, role: None, listener: None }
    }
}
