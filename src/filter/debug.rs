//! The element's debug categories.

use std::sync::LazyLock;

/// The element's own log.
pub static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    let colours = gst::DebugColorFlags::empty();
    gst::DebugCategory::new("m2sdfilter", colours, Some("Detection of forged faces"))
});

/// What ONNX Runtime logs.
pub static ORT_CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    let colours = gst::DebugColorFlags::empty();
    gst::DebugCategory::new("m2sdfilter-ort", colours, Some("ONNX Runtime's own log"))
});
