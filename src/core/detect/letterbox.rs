//! How a frame lies in a detector's input.

use crate::core::geometry::Size;

/// The sides of a detector's input that its file fixes, in px.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FixedSides {
    /// `None`: any.
    pub width: Option<u32>,
    /// `None`: any.
    pub height: Option<u32>,
}

/// The size of a detector's input and of what it shows: the frame, in its upper left corner, and
/// black where that has another shape. Faces keep theirs.
///
/// # Examples
///
/// ```
/// use gstm2sd::core::detect::{FixedSides, Letterbox};
/// use gstm2sd::core::geometry::Size;
///
/// let frame = Size::new(1920, 1080).unwrap();
/// let square = FixedSides { width: Some(640), height: Some(640) };
/// let letterbox = Letterbox::new(frame, square, None, 32);
/// assert_eq!(letterbox.input(), Size::new(640, 640).unwrap());
/// // Three px of the frame become one; below it 840 rows are black.
/// assert_eq!(letterbox.region(), Size::new(1920, 1920).unwrap());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letterbox {
    input: Size,
    region: Size,
}

/// Sides that no picture has, whatever its shape: what is longer is shown in part.
const MOST_PX: f64 = 16_384.0;

impl Letterbox {
    /// For frames of this size. Where the file fixes no side, the input is the frame, scaled down
    /// until its longer side has `longest_px`; each open side is a multiple of `multiple_px`.
    pub fn new(frame: Size, fixed: FixedSides, longest_px: Option<u32>, multiple_px: u32) -> Self {
        let whole = |side: f64| side.round().clamp(1.0, MOST_PX) as u32;
        let open = |side: u32| side.checked_next_multiple_of(multiple_px.max(1)).unwrap_or(side);
        let (w, h) = (f64::from(frame.width()), f64::from(frame.height()));
        // The input's sides, and px of the input for one of the frame along each.
        let (width, height, scale) = match (fixed.width, fixed.height) {
            (None, None) => {
                let shown = limited(frame, longest_px);
                let scale = (f64::from(shown.width()) / w, f64::from(shown.height()) / h);
                (open(shown.width()), open(shown.height()), scale)
            }
            (Some(width), None) => {
                let scale = f64::from(width) / w;
                (width, open(whole(h * scale)), (scale, scale))
            }
            (None, Some(height)) => {
                let scale = f64::from(height) / h;
                (open(whole(w * scale)), height, (scale, scale))
            }
            (Some(width), Some(height)) => {
                let scale = (f64::from(width) / w).min(f64::from(height) / h);
                (width, height, (scale, scale))
            }
        };
        let region = |input: u32, scale: f64| {
            (f64::from(input) / scale).round().clamp(1.0, f64::from(i32::MAX)) as u32
        };
        let region = sized(region(width, scale.0), region(height, scale.1), frame);
        Self { input: sized(width, height, frame), region }
    }

    /// What the detector reads.
    pub fn input(&self) -> Size {
        self.input
    }

    /// What of the frame's plane the input shows, from the frame's upper left corner on, in px of
    /// the frame.
    pub fn region(&self) -> Size {
        self.region
    }
}

fn sized(width: u32, height: u32, otherwise: Size) -> Size {
    Size::new(width, height).unwrap_or(otherwise)
}

/// `frame`, scaled down so that its longer side is at most `longest_px`.
fn limited(frame: Size, longest_px: Option<u32>) -> Size {
    let longest = frame.width().max(frame.height());
    let Some(limit) = longest_px.filter(|limit| *limit < longest) else { return frame };
    let scale = |side: u32| {
        let scaled = f64::from(side) * f64::from(limit) / f64::from(longest);
        (scaled.round() as u32).max(1)
    };
    sized(scale(frame.width()), scale(frame.height()), frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u32, height: u32) -> Size {
        Size::new(width, height).unwrap()
    }

    #[test]
    fn large_frames_are_scaled_to_the_limit_and_small_ones_stay() {
        assert_eq!(limited(size(1920, 1080), Some(640)), size(640, 360));
        assert_eq!(limited(size(1080, 1920), Some(640)), size(360, 640));
        assert_eq!(limited(size(320, 240), Some(640)), size(320, 240));
        assert_eq!(limited(size(4000, 2), Some(64)), size(64, 1));
        assert_eq!(limited(size(1920, 1080), None), size(1920, 1080));
        let open = Letterbox::new(size(1920, 1080), FixedSides::default(), Some(640), 1);
        assert_eq!((open.input(), open.region()), (size(640, 360), size(1920, 1080)));
    }

    #[test]
    fn fixed_inputs_show_frames_in_their_shape() {
        let fixed = |frame, width, height| {
            let sides = FixedSides { width: Some(width), height: Some(height) };
            Letterbox::new(frame, sides, Some(99), 32).region()
        };
        assert_eq!(fixed(size(640, 360), 320, 320), size(640, 640));
        assert_eq!(fixed(size(3840, 1080), 640, 640), size(3840, 3840));
        assert_eq!(fixed(size(360, 640), 320, 320), size(640, 640));
        assert_eq!(fixed(size(1280, 720), 640, 360), size(1280, 720));
        assert_eq!(fixed(size(720, 1280), 640, 360), size(2276, 1280));
        assert_eq!(fixed(size(160, 90), 320, 320), size(160, 160));
    }

    #[test]
    fn an_open_side_follows_the_frames_shape_and_is_a_multiple() {
        let of = |frame, width, height, multiple| {
            let sides = FixedSides { width, height };
            let letterbox = Letterbox::new(frame, sides, None, multiple);
            (letterbox.input(), letterbox.region())
        };
        let frame = size(1920, 1080);
        assert_eq!(of(frame, Some(640), None, 1), (size(640, 360), frame));
        assert_eq!(of(frame, None, Some(360), 1), (size(640, 360), frame));
        assert_eq!(of(frame, Some(640), None, 32), (size(640, 384), size(1920, 1152)));
        assert_eq!(of(frame, None, None, 32), (size(1920, 1088), size(1920, 1088)));
        assert_eq!(of(size(1, 9000), Some(640), None, 1).0, size(640, 16_384));
        // An input of nearly the frame's shape shows all of it and no more.
        assert_eq!(of(size(1921, 1080), Some(640), None, 1), (size(640, 360), size(1921, 1081)));
    }
}
