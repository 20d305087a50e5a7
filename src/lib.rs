//! Live detection of forged faces in GStreamer streams: the plugin `m2sd`, its element
//! `m2sdfilter`, and the parts they are made of.
//!
//! [`core`] is the method, free of any runtime; [`infer`] runs its networks; [`models`] turns
//! published checkpoints into network files; [`filter`] is the GStreamer element.

pub mod core;
#[cfg(feature = "events")]
pub mod events;
#[cfg(feature = "evidence")]
pub mod evidence;
#[cfg(feature = "plugin")]
pub mod filter;
#[cfg(feature = "infer")]
pub mod infer;
#[cfg(feature = "measure")]
pub mod measure;
#[cfg(feature = "models")]
pub mod models;
#[cfg(feature = "publish")]
pub mod publish;
#[cfg(feature = "watch")]
pub mod watch;

#[cfg(feature = "plugin")]
mod plugin {
    fn init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
        #[cfg(feature = "publish")]
        crate::publish::register(plugin)?;
        crate::filter::register(plugin)
    }

    // The name must be the library's without `libgst`, or GStreamer does not find it.
    gst::plugin_define!(
        m2sd,
        env!("CARGO_PKG_DESCRIPTION"),
        init,
        concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
        "MIT/X11",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("BUILD_REL_DATE")
    );
}

/// Registers the plugin's elements in this process, for programs that link the library instead of
/// having GStreamer load it.
///
/// # Errors
/// When GStreamer does not take the plugin.
#[cfg(feature = "plugin")]
pub fn plugin_register_static() -> Result<(), glib::BoolError> {
    plugin::plugin_desc::plugin_register_static()
}
