//! A report as tagged PDF (PDF/UA-1) on A4: first all is laid out on pages, then the pages are written.
//!
//! | file | holds |
//! | --- | --- |
//! | `text` | fonts, lines of text |
//! | `layout` | what is on which page, and how it belongs together for readers that do not look |
//! | `blocks` | a report's blocks, laid out |
//! | `color` | of what is printed |
//! | `draw` | drawings in the colours of paper |
//! | `write` | pages as PDF |

mod blocks;
mod color;
mod draw;
mod layout;
mod text;
mod write;

use krilla::error::KrillaError;
use thiserror::Error;

use self::text::Typesetter;
use super::document::Document;

/// Why there is no PDF.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum PdfError {
    #[error(
        "no font was found on this system, which a PDF needs; install one, as with: apt install \
         fonts-dejavu-core. A page (.html) needs none"
    )]
    NoFonts,
    #[error("the font {name} cannot be read")]
    Font { name: String },
    #[error("a picture cannot be put into a PDF: {why}")]
    Picture { why: String },
    #[error("this PDF library writes no PDF/UA-1")]
    Standard,
    #[error("the PDF cannot be written: {0}")]
    Write(#[from] KrillaError),
}

/// # Errors
/// [`PdfError`] where there are no fonts, or for what no PDF can hold.
pub(super) fn write(document: &Document) -> Result<Vec<u8>, PdfError> {
    let mut typesetter = Typesetter::new()?;
    let pages = blocks::lay_out(document, &mut typesetter)?;
    write::write(document, pages, &mut typesetter)
}
