//! Which files of a folder are videos and pictures: by their endings, one list for every command.

use std::path::Path;

/// In lower case, in order.
const ENDINGS: [&str; 27] = [
    "3gp", "avi", "bmp", "flv", "gif", "jpeg", "jpg", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg",
    "mpg", "mts", "mxf", "ogg", "ogv", "png", "tif", "tiff", "ts", "vob", "webm", "webp", "wmv",
    "y4m",
];

/// Whether a file has the name of a video or a picture.
pub fn is_media(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    ENDINGS.iter().any(|known| ending == *known)
}

/// The endings that are known, for people.
pub fn endings() -> String {
    ENDINGS.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_count_in_any_case() {
        for name in ["a.mp4", "A.MP4", "b.c.Tiff", "/x/y.y4m"] {
            assert!(is_media(Path::new(name)), "{name}");
        }
        for name in ["mp4", "a.txt", "a.mp4.part", ".mp4", ""] {
            assert!(!is_media(Path::new(name)), "{name}");
        }
        assert!(ENDINGS.is_sorted());
    }
}
