//! A scan's results for people: one page that needs no other file and no network.
//!
//! | file | holds |
//! | --- | --- |
//! | `results` | what the records of a folder say, face by face |
//! | `words` | what that means, in plain words, and the verbal scale |
//! | `page` | the page: summary, faces, what it was made with |
//! | `face` | a face's part of the page |
//! | `origin` | what the input says of where it comes from |
//! | `drawing` | timelines and paths as pictures in the page |

mod drawing;
mod face;
mod origin;
mod page;
mod results;
#[cfg(test)]
mod tests;
mod words;

pub use self::page::render;
pub use self::results::{Clip, FaceResults, ReportError, Results, Stretch, Which};
pub use self::words::{SCALE, Support, support};
