//! Tells the plugin its version, commit and date of release.

fn main() {
    gst_plugin_version_helper::info();
}
