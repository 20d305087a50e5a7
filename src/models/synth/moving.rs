//! Drawn faces that move: for videos, and for cameras that go on for ever.

use strum::{EnumString, IntoStaticStr, VariantNames};

use super::scene::Face;

/// The size that faces are drawn for; in pictures of others they grow with the height.
pub const SIZE_PX: [usize; 2] = [640, 360];

/// What a drawn camera shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Scene {
    /// A real face; of each minute, a fake one joins it for 25 s.
    Mixed,
    /// A real face.
    Real,
    /// A fake face, away for 15 s of each minute.
    Fake,
    /// Nobody.
    Empty,
}

impl Scene {
    /// Its names.
    pub const NAMES: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// The faces at a time, in a picture of this size.
    pub fn faces(self, seconds: f64, size_px: [usize; 2]) -> Vec<Face> {
        let minute = seconds % 60.0;
        let faces = match self {
            Self::Mixed if (20.0..45.0).contains(&minute) => {
                vec![wandering(there_and_back(seconds)), circling(seconds as f32)]
            }
            Self::Mixed | Self::Real => vec![circling(seconds as f32)],
            Self::Fake if minute < 45.0 => vec![wandering(there_and_back(seconds))],
            Self::Fake | Self::Empty => vec![],
        };
        let scale = size_px[1] as f32 / SIZE_PX[1] as f32;
        let fits = size_px[0] as f32 / SIZE_PX[0] as f32;
        let grow = |px: i32, by: f32| (px as f32 * by).round() as i32;
        let scaled = |face: Face| Face {
            left_px: grow(face.left_px, fits),
            top_px: grow(face.top_px, scale),
            side_px: ((face.side_px as f32 * scale.min(fits)) as u32).max(1),
            ..face
        };
        faces.into_iter().map(scaled).collect()
    }
}

/// How far a face is on its way that goes 280 pixels, 45 in a second, and back.
fn there_and_back(seconds: f64) -> i32 {
    const WAY_PX: f64 = 280.0;
    let gone = (seconds * 45.0) % (2.0 * WAY_PX);
    (if gone < WAY_PX { gone } else { 2.0 * WAY_PX - gone }) as i32
}

/// A red face ("fake"), so many pixels to the right of where it begins.
pub fn wandering(way_px: i32) -> Face {
    Face { left_px: 40 + way_px, top_px: 60, side_px: 96, red: 230 }
}

/// A bluer face ("real") that goes around in four seconds.
pub fn circling(seconds: f32) -> Face {
    let turn = seconds * std::f32::consts::TAU / 4.0;
    Face {
        left_px: (480.0 + 40.0 * turn.cos()) as i32,
        top_px: (200.0 + 30.0 * turn.sin()) as i32,
        side_px: 80,
        red: 25,
    }
}

/// Faces before a grey wall, as packed RGB rows.
pub fn draw(faces: &[Face], [width_px, height_px]: [usize; 2]) -> Vec<u8> {
    let width = width_px.max(1);
    let grey = |i: usize| 60 + ((i / 3 % width) * 60 / width) as u8;
    let row: Vec<u8> = (0..width * 3).map(grey).collect();
    let mut rgb = row.repeat(height_px);
    for face in faces {
        face.draw(&mut rgb, width);
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_stay_in_the_picture_apart_and_large_enough() {
        for size in [[640, 360], [320, 240], [1920, 1080]] {
            for tenth in 0..1200 {
                let faces = Scene::Mixed.faces(f64::from(tenth) / 10.0, size);
                for face in &faces {
                    let [right, bottom] =
                        [face.left_px, face.top_px].map(|px| px + face.side_px as i32);
                    assert!(face.left_px >= 0 && face.top_px >= 0, "{face:?}");
                    assert!(right <= size[0] as i32 && bottom <= size[1] as i32, "{face:?}");
                    assert!(face.side_px > super::super::scene::SMALLEST_PX);
                }
                if let [fake, real] = faces[..] {
                    assert!(fake.left_px + (fake.side_px as i32) < real.left_px, "{tenth}");
                }
            }
        }
    }

    #[test]
    fn a_fake_face_comes_and_goes_within_a_minute() {
        let counts = |scene: Scene| [0.0, 30.0, 50.0].map(|s| scene.faces(s, SIZE_PX).len());
        assert_eq!(counts(Scene::Mixed), [1, 2, 1]);
        assert_eq!(counts(Scene::Fake), [1, 1, 0]);
        assert_eq!(counts(Scene::Empty), [0, 0, 0]);
        assert_eq!("mixed".parse(), Ok(Scene::Mixed));
    }
}
