//! What differs from one detector to the next.

use strum::{EnumString, IntoStaticStr, VariantNames};

/// How a detector's numbers become faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum DetectorFamily {
    RetinaFace,
    YuNet,
    Scrfd,
}

/// The sides of the anchors of each level of a detector, the finest first, in px.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorSides(pub Vec<Vec<f32>>);
