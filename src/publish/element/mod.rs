//! The element `m2sdpublish`: sends what `m2sdfilter` tells upstream of it.

use gst::prelude::*;

#[allow(missing_docs, reason = "each property's blurb says what it is")]
mod imp;
mod session;

glib::wrapper! {
    /// The element. Create it by its factory name, `m2sdpublish`.
    pub struct M2sdPublish(ObjectSubclass<imp::M2sdPublish>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Registers the element with GStreamer.
///
/// # Errors
/// When another element has its name.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "m2sdpublish", gst::Rank::NONE, M2sdPublish::static_type())
}
