//! What differs from one detector to the next.

use strum::{EnumString, IntoStaticStr, VariantNames};

use crate::core::image::{ChannelOrder, Normalization};

/// How a detector's numbers become faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum DetectorFamily {
    /// RetinaFace: three outputs, of 4, 2 and 10 columns, for all strides together.
    RetinaFace,
    /// YuNet: four outputs at each of three strides.
    YuNet,
    /// SCRFD: three outputs at each of three or five strides.
    Scrfd,
}

impl DetectorFamily {
    /// The order in which networks of the family read colours, where nothing else is said.
    pub fn channel_order(self) -> ChannelOrder {
        match self {
            Self::RetinaFace | Self::YuNet => ChannelOrder::Bgr,
            Self::Scrfd => ChannelOrder::Rgb,
        }
    }

    /// How levels become what networks of the family read, where nothing else is said.
    pub fn normalization(self) -> Normalization {
        match self {
            Self::RetinaFace => Normalization::RETINAFACE,
            Self::YuNet => Normalization::IDENTITY,
            Self::Scrfd => Normalization::SCRFD,
        }
    }

    /// The family of a network by the last dimensions of its outputs; `None` for one that is no
    /// detector with five points.
    pub fn of_outputs(last_dims: impl Iterator<Item = Option<usize>>) -> Option<Self> {
        // Of 1, 2, 4 and 10 columns.
        let mut counts = [0usize; 4];
        for last in last_dims {
            let place = [1, 2, 4, 10].iter().position(|columns| Some(*columns) == last)?;
            counts[place] += 1;
        }
        match counts {
            [0, 1, 1, 1] => Some(Self::RetinaFace),
            [6, 0, 3, 3] => Some(Self::YuNet),
            [3, 0, 3, 3] | [5, 0, 5, 5] => Some(Self::Scrfd),
            _ => None,
        }
    }
}

/// The sides of the anchors of each level of a detector, the finest first, in px.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorSides(pub Vec<Vec<f32>>);
