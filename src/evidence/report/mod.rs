//! A scan's results for people: a page that needs no other file and no network, and the same as PDF.
//!
//! | file | holds |
//! | --- | --- |
//! | `record` | a line of the records, and whether its values can be |
//! | `results` | what the records of a folder say, face by face |
//! | `words` | what that means, in plain words, and the verbal scale |
//! | `document` | what a report is made of: sections, tables, pictures, drawings |
//! | `content` | the report: summary, sections, what it was made with |
//! | `face` | a face's section |
//! | `origin` | what the input says of where it comes from |
//! | `drawing` | timelines and paths of boxes |
//! | `html` | a report as a page |
//! | `pdf` | a report as tagged PDF |

mod content;
mod document;
mod drawing;
mod face;
mod html;
mod origin;
#[cfg(feature = "pdf")]
mod pdf;
mod record;
mod results;
#[cfg(test)]
mod tests;
mod words;

#[cfg(feature = "pdf")]
pub use self::pdf::PdfError;
pub use self::record::Clip;
pub use self::results::{Crops, FaceResults, ReportError, Results, Stretch};
pub use self::words::{SCALE, Support, support};

/// The report of these results as a page. `made` is what makes it, with its version.
pub fn html(results: &Results, made: &str) -> String {
    html::page(&content::document(results, made))
}

/// The same as PDF: tagged (PDF/UA-1), A4, with the fonts of the system.
///
/// # Errors
/// [`PdfError`] where there are no fonts, or for what no PDF can hold.
#[cfg(feature = "pdf")]
pub fn pdf(results: &Results, made: &str) -> Result<Vec<u8>, PdfError> {
    pdf::write(&content::document(results, made))
}
