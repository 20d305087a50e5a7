//! The order of a clip's axes, as the sidecar says or the network shows.

use super::signature::Signature;
use crate::core::modelinfo::InputLayout;
use crate::infer::error::InferError;
use crate::infer::info::TensorInfo;
use crate::infer::limits;

/// The axes of a network's clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClipAxes {
    pub layout: InputLayout,
    /// N, where the network leaves it open.
    pub batch: Option<usize>,
    /// T.
    pub frames: usize,
    /// S.
    pub size_px: usize,
}

impl ClipAxes {
    /// Of the input `clip`. The number of axes tells a picture from a clip, the axis of three
    /// colours one order from the other; where that leaves two, the sidecar has to say which.
    pub(super) fn of(
        signature: &Signature<'_>,
        clip: &TensorInfo,
        told: Option<InputLayout>,
    ) -> Result<Self, InferError> {
        let layout = match (told, clip.dims.as_slice()) {
            (Some(told), dims) if dims.len() != rank(told) => {
                let expected = format!(
                    "a clip of {} axes, as input-layout={} in its sidecar says; set input-layout=NCHW \
                     for a network of single pictures, NCTHW or NTCHW for one of clips",
                    rank(told),
                    name(told)
                );
                return Err(signature.wrong_as(&expected));
            }
            (Some(told), _) => told,
            (None, [_, Some(3), Some(3), ..]) if clip.dims.len() == 5 => {
                let expected = "input-layout in the sidecar of a network whose clip has 3 on two \
                                axes: NCTHW where the first of them is the colours, NTCHW where the \
                                second is";
                return Err(signature.wrong_as(expected));
            }
            (None, [_, _, Some(3), _, _]) => InputLayout::Ntchw,
            (None, [_, _, _, _, _]) => InputLayout::Ncthw,
            (None, [_, _, _, _]) => InputLayout::Nchw,
            (None, _) => return Err(signature.wrong()),
        };
        let (batch, channels, frames, sides) = match (layout, clip.dims.as_slice()) {
            (InputLayout::Ncthw, [n, c, t, h, w]) => (*n, *c, *t, [*h, *w]),
            (InputLayout::Ntchw, [n, t, c, h, w]) => (*n, *c, *t, [*h, *w]),
            (InputLayout::Nchw, [n, c, h, w]) => (*n, *c, Some(1), [*h, *w]),
            _ => return Err(signature.wrong()),
        };
        if channels.is_some_and(|channels| channels != 3) {
            let expected = format!(
                "3 colours where {0} has C (input-layout={0}); for another order set input-layout in \
                 the sidecar to NCTHW, NTCHW or NCHW",
                name(layout)
            );
            return Err(signature.wrong_as(&expected));
        }
        let frames = frames.unwrap_or(limits::CLIP_FRAMES);
        let size_px = sides[0].or(sides[1]).unwrap_or(limits::CLIP_PX);
        signature.require(frames > 0 && size_px > 0)?;
        signature.require(sides.iter().all(|side| side.is_none_or(|side| side == size_px)))?;
        signature.bounded("clips", limits::MOST_SIDE, &[3, frames, size_px, size_px])?;
        Ok(Self { layout, batch, frames, size_px })
    }
}

/// The axes of an input, the batch among them.
fn rank(layout: InputLayout) -> usize {
    match layout {
        InputLayout::Ncthw | InputLayout::Ntchw => 5,
        InputLayout::Nchw => 4,
    }
}

fn name(layout: InputLayout) -> &'static str {
    layout.into()
}
