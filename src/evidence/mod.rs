//! What makes a result last: the records' beginning and end, its seal, the provenance of its input, the
//! report, and running it again. Nothing here needs GStreamer.

pub mod provenance;
pub mod records;
pub mod report;
pub mod reproduce;
pub mod seal;
pub mod timestamp;
