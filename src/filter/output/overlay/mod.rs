//! Boxes and labels on the frames.
//!
//! A box is four thin rectangles of one colour, a label is a picture above it. Where downstream
//! draws such things itself they are attached to the frame as a `GstVideoOverlayComposition`. Else
//! they are drawn: each is blended once by GStreamer's own code, which knows every format, onto a
//! small frame of the same format, from which it is then copied onto the frames.

mod picture;
mod sprite;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use gst_video::prelude::*;
use gst_video::{VideoFrameRef, VideoInfo, VideoOverlayComposition};

use self::picture::{Picture, Placed, composition};
use self::sprite::Sprite;
use crate::core::evidence::{Insufficiency, Judgement, Label, PointSource};
use crate::core::geometry::CropRect;
use crate::core::modelinfo::Training;
use crate::core::track::TrackId;
use crate::filter::output::frame::FrameFace;
use crate::filter::output::metadata::classifier_name::ClassifierName;
use crate::filter::output::metadata::roi::pixel_rect;

/// What stands above a face's box.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Caption {
    label: Label,
    /// P(fake), to the three digits that are shown.
    thousandths: Option<u16>,
    track: Option<TrackId>,
    training: Option<Training>,
    /// Nobody here has measured how often a verdict of this threshold is wrong.
    unmeasured: bool,
}

impl Caption {
    fn new(face: &FrameFace, judgement: &Judgement, classifier: Option<&ClassifierName>) -> Self {
        let thousandths = judgement.score.map(|s| (s.fake.get() * 1000.0).round() as u16);
        let (label, training) = (judgement.label, classifier.map(ClassifierName::training));
        let point = classifier.and_then(|classifier| classifier.criteria.point.as_ref());
        let published = point.is_some_and(|point| point.source == PointSource::Published);
        let unmeasured = published && label.is_verdict() && training == Some(Training::Trained);
        Self { label, thousandths, track: face.track, training, unmeasured }
    }

    fn text(&self) -> String {
        let track = self.track.map_or(String::new(), |track| format!(" #{}", track.0));
        let score = self.thousandths.map(|n| f64::from(n) / 1000.0);
        let label = match (self.label, score) {
            (Label::Unscored, _) => "unscored".to_owned(),
            (Label::Insufficient(reason), score) => match (reason, score) {
                // Which the beginning of the caption says.
                (Insufficiency::Untrained | Insufficiency::UnknownTraining, Some(score)) => {
                    format!("{score:.3}")
                }
                (reason, _) if reason.is_a_matter_of_time() => "…".to_owned(),
                (reason, _) => reason.as_str().replace('-', " "),
            },
            (_, None) => "…".to_owned(),
            (label, Some(score)) if self.unmeasured => {
                format!("{} {score:.3} (unmeasured)", label.as_str())
            }
            (label, Some(score)) => format!("{} {score:.3}", label.as_str()),
        };
        let warning = match self.training {
            None | Some(Training::Trained) => "",
            Some(Training::Analytic) => "DRAWN SCENE ",
            Some(Training::Untrained) => "UNTRAINED ",
            Some(Training::Unknown) => "UNKNOWN TRAINING ",
        };
        format!("{warning}{label}{track}")
    }
}

/// Cached labels beyond which the cache starts anew.
const MAX_CAPTIONS: usize = 64;

/// A picture, and what is copied of it where frames are drawn on.
struct Drawn<const SPRITES: usize> {
    picture: Picture,
    sprites: Option<[Sprite; SPRITES]>,
}

/// Draws for frames of one kind.
pub struct Overlay {
    info: VideoInfo,
    /// What is drawn can be copied.
    sprites: bool,
    line_px: u32,
    font_px: f64,
    captions: HashMap<Caption, Drawn<1>>,
    /// As sprites a horizontal line and a vertical one, as long as a frame's side.
    fills: HashMap<Label, Drawn<2>>,
}

/// The places of one face's pictures.
struct Places {
    /// Upper, lower, left, right.
    edges: [Option<CropRect>; 4],
    caption: Option<CropRect>,
}

impl Overlay {
    pub fn new(info: &VideoInfo) -> Self {
        let height = info.height();
        Self {
            info: info.clone(),
            sprites: sprite::fits(info),
            line_px: (height / 240).max(2),
            font_px: (f64::from(height) / 28.0).max(11.0),
            captions: HashMap::new(),
            fills: HashMap::new(),
        }
    }

    /// The drawing of all faces of a frame, for whoever draws it; `None` when there is none.
    pub fn compose(
        &mut self,
        faces: &[FrameFace],
        judgements: &[Judgement],
        classifier: Option<&ClassifierName>,
    ) -> Option<VideoOverlayComposition> {
        self.make_room(faces.len());
        let captions = captions(faces, judgements, classifier);
        captions.clone().for_each(|(_, caption)| self.prepare(caption));
        let placed = captions.flat_map(|(face, caption)| {
            let Places { edges, caption: above } = self.places(face, caption);
            let fill = self.fills.get(&caption.label).map(|fill| &fill.picture);
            let text = self.captions.get(&caption).map(|text| &text.picture);
            let edges = edges.map(|edge| (fill, edge));
            edges
                .into_iter()
                .chain([(text, above)])
                .filter_map(|(picture, area)| Some(Placed { picture: picture?, area: area? }))
        });
        composition(placed)
    }

    /// Draws all faces onto their frame, which is mapped.
    ///
    /// # Errors
    /// When GStreamer cannot draw on the frame's format.
    pub fn draw(
        &mut self,
        faces: &[FrameFace],
        judgements: &[Judgement],
        classifier: Option<&ClassifierName>,
        frame: &mut VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<(), glib::BoolError> {
        // Fields of one buffer may be of either kind.
        if !self.sprites || !sprite::fits(frame.info()) {
            let composed = self.compose(faces, judgements, classifier);
            return composed.map_or(Ok(()), |composed| composed.blend(frame));
        }
        self.make_room(faces.len());
        for (face, caption) in captions(faces, judgements, classifier) {
            self.prepare(caption);
            let Places { edges: [upper, lower, left, right], caption: above } =
                self.places(face, caption);
            let fill = self.fills.get(&caption.label).and_then(|fill| fill.sprites.as_ref());
            let text = self.captions.get(&caption).and_then(|text| text.sprites.as_ref());
            let refused = || glib::bool_error!("no picture in this format");
            let [across, down] = fill.ok_or_else(refused)?;
            let [text] = text.ok_or_else(refused)?;
            let pairs = [(across, upper), (across, lower), (down, left), (down, right)];
            for (sprite, area) in pairs.into_iter().chain([(text, above)]) {
                area.map_or(Ok(()), |area| sprite.put(frame, area))?;
            }
        }
        Ok(())
    }

    /// Sees to it that the captions of so many faces fit the cache together.
    fn make_room(&mut self, faces: usize) {
        if self.captions.len() + faces > MAX_CAPTIONS {
            self.captions.clear();
        }
    }

    /// Makes the pictures of a caption and its box, if they are not there.
    fn prepare(&mut self, caption: Caption) {
        let (info, sprites) = (&self.info, self.sprites);
        if !self.fills.contains_key(&caption.label)
            && let Some(picture) = Picture::solid(caption.label)
        {
            // An edge at an odd place covers another row or column of a format that shares chroma.
            let line = self.line_px.next_multiple_of(2) + 2;
            let sprite = |width: u32, height: u32| {
                let [width, height] = [width, height].map(|side| side.next_multiple_of(2));
                sprites.then(|| Sprite::new(&picture, info, width, height)).flatten()
            };
            let sprites = sprite(info.width(), line).zip(sprite(line, info.height()));
            let sprites = sprites.map(|(across, down)| [across, down]);
            self.fills.insert(caption.label, Drawn { picture, sprites });
        }
        if !self.captions.contains_key(&caption)
            && let Some(picture) = Picture::text(&caption.text(), self.font_px, caption.label)
        {
            let Picture { width, height, .. } = picture;
            let sprite = sprites.then(|| Sprite::new(&picture, info, width, height));
            let sprites = sprite.flatten().map(|sprite| [sprite]);
            self.captions.insert(caption, Drawn { picture, sprites });
        }
    }

    fn places(&self, face: &FrameFace, caption: Caption) -> Places {
        let (width, height) = (self.info.width(), self.info.height());
        let (x, y, w, h) = pixel_rect(&face.face.bbox, width, height);
        let line = self.line_px.min(w).min(h);
        let rect = |x: u32, y: u32, w: u32, h: u32| CropRect::from_edges(x, y, x + w, y + h);
        let edges = [
            rect(x, y, w, line),
            rect(x, y + h - line, w, line),
            rect(x, y, line, h),
            rect(x + w - line, y, line, h),
        ];
        let caption = self.captions.get(&caption).and_then(|text| {
            let (width, height) = (text.picture.width.min(width), text.picture.height.min(height));
            // Above the box, or inside it at the frame's upper edge; where chroma begins.
            let left = x.min(self.info.width() - width) & !1;
            let top = y.next_multiple_of(2).saturating_sub(height);
            rect(left, top, width, height)
        });
        Places { edges, caption }
    }
}

fn captions<'a>(
    faces: &'a [FrameFace],
    judgements: &'a [Judgement],
    classifier: Option<&'a ClassifierName>,
) -> impl Iterator<Item = (&'a FrameFace, Caption)> + Clone + 'a {
    let pairs = faces.iter().zip(judgements);
    pairs.map(move |(face, judgement)| (face, Caption::new(face, judgement, classifier)))
}
