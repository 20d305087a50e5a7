//! Frames on which nobody looked for faces say so: that none is noted does not mean none is there.

use std::sync::Once;

use crate::filter::output::frame::Unanalysed;

/// The name of the `GstCustomMeta`.
pub const NAME: &str = "m2sd-unanalysed";

/// Says on a frame why it was not analysed.
pub fn attach(buffer: &mut gst::BufferRef, reason: Unanalysed) -> Result<(), glib::BoolError> {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| gst::meta::CustomMeta::register(NAME, &[]));
    let mut meta = gst::meta::CustomMeta::add(buffer, NAME)?;
    meta.mut_structure().set("reason", reason.as_str());
    Ok(())
}
