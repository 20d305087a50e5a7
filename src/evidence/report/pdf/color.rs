//! The colours of a report on paper: those of the page in the light.

use krilla::color::rgb;

/// Red, green, blue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Color(u8, u8, u8);

pub(super) const INK: Color = Color(0x1c, 0x1c, 0x1c);
pub(super) const QUIET: Color = Color(0x56, 0x56, 0x56);
pub(super) const LINE: Color = Color(0xd4, 0xd4, 0xd4);
pub(super) const PAPER: Color = Color(0xff, 0xff, 0xff);
pub(super) const PANEL: Color = Color(0xf5, 0xf5, 0xf5);
pub(super) const FAKE: Color = Color(0xa4, 0x16, 0x1a);
pub(super) const REAL: Color = Color(0x1b, 0x6b, 0x3a);
pub(super) const WARN: Color = Color(0x7a, 0x4b, 0x00);
pub(super) const MARK: Color = Color(0x1f, 0x5f, 0xa8);
pub(super) const GATE: Color = Color(0xd9, 0xd9, 0xd9);

impl From<Color> for krilla::paint::Paint {
    fn from(Color(red, green, blue): Color) -> Self {
        rgb::Color::new(red, green, blue).into()
    }
}
