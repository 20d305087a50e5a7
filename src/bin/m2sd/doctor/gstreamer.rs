//! GStreamer, and the plugin as other programs find it.

use std::path::{Path, PathBuf};
use std::process::Command;

use gstm2sd::models::advice;
use gstm2sd::models::folders::data_home;

use super::report::Finding;

/// The plugin's name, and its file's.
const PLUGIN: &str = "m2sd";
const FILE: &str = "libgstm2sd.so";
/// What the plugin says of itself; the same in the command that was built with it.
const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID"));

/// What a scan is made of, each with the Debian package that has it.
const NEEDED: [(&str, &str); 9] = [
    ("uridecodebin", "gstreamer1.0-plugins-base"),
    ("videoconvert", "gstreamer1.0-plugins-base"),
    ("audioconvert", "gstreamer1.0-plugins-base"),
    ("audioresample", "gstreamer1.0-plugins-base"),
    ("videoflip", "gstreamer1.0-plugins-good"),
    ("deinterlace", "gstreamer1.0-plugins-good"),
    ("queue", "libgstreamer1.0-0"),
    ("fakesink", "libgstreamer1.0-0"),
    ("fdsink", "libgstreamer1.0-0"),
];

/// Must be asked before the element is registered in this process.
pub fn findings() -> Vec<Finding> {
    let analytics = if cfg!(feature = "v1_24") { "with" } else { "without" };
    let version = format!("{}, built {analytics} GstAnalytics metadata", gst::version_string());
    let mut found = vec![Finding::fine("version", version)];
    found.extend(Registered::look().findings());
    found.push(elements());
    found
}

fn elements() -> Finding {
    let is_missing = |(name, _): &&(&str, &str)| gst::ElementFactory::find(name).is_none();
    let missing: Vec<_> = NEEDED.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Finding::fine("elements", "those that a scan is made of are there");
    }
    let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
    let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    Finding::stops("elements", format!("missing: {}", names.join(", "))).remedy(format!(
        "Install {} (Debian's names), or look into GST_PLUGIN_SYSTEM_PATH",
        packages.join(", ")
    ))
}

/// What GStreamer's registry, which every program reads, says of the plugin.
struct Registered {
    /// The one whose element programs get.
    used: Option<gst::Plugin>,
    /// Files of its name that GStreamer has tried, and will not try again until they change.
    broken: Vec<PathBuf>,
}

impl Registered {
    fn look() -> Self {
        let is_broken =
            |plugin: &gst::Plugin| plugin.plugin_flags().contains(gst::PluginFlags::BLACKLISTED);
        let is_file = |file: &PathBuf| file.file_name().is_some_and(|name| name == FILE);
        let (broken, whole): (Vec<_>, Vec<_>) =
            gst::Registry::get().plugins().into_iter().partition(is_broken);
        Self {
            used: whole.into_iter().find(|plugin| plugin.plugin_name() == PLUGIN),
            broken: broken.iter().filter_map(|plugin| plugin.filename()).filter(is_file).collect(),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let broken = self.broken.iter().map(|file| {
            let text = format!("{} is blacklisted: {}", file.display(), why_not_loaded(file));
            Finding::wrong("plugin", text).remedy(format!(
                "Remove or replace that file; GStreamer looks again when it has changed. {}",
                how_to_find()
            ))
        });
        let mut found: Vec<_> = match &self.used {
            Some(plugin) => vec![used(plugin)],
            None if self.broken.is_empty() => vec![
                Finding::absent(
                    "plugin",
                    "not found: this command has the element, gst-launch-1.0 and other programs do \
                     not",
                )
                .remedy(how_to_find()),
            ],
            None => Vec::new(),
        };
        found.extend(broken);
        found.extend(self.shadowed());
        found
    }

    /// Files of the plugin's name that are passed over: the registry has one of each name, which may
    /// be one that it knows as broken.
    fn shadowed(&self) -> Vec<Finding> {
        let used = self.used.as_ref().and_then(|plugin| plugin.filename());
        let Some(used) = used.or_else(|| self.broken.first().cloned()) else { return Vec::new() };
        let files = folders().into_iter().map(|dir| dir.join(FILE)).filter(|file| file.is_file());
        let same = |a: &Path, b: &Path| a.canonicalize().ok() == b.canonicalize().ok();
        let passed_over = files.filter(|file| !same(file, &used) && !self.broken.contains(file));
        let finding = |file: PathBuf| {
            let text = format!("{} is not used, {} is", file.display(), used.display());
            Finding::wrong("shadowed", text)
                .remedy("Remove the one that is not meant, or change the order of GST_PLUGIN_PATH")
        };
        passed_over.map(finding).collect()
    }
}

fn used(plugin: &gst::Plugin) -> Finding {
    let file = plugin.filename().unwrap_or_default();
    let (file, version) = (file.display(), plugin.version());
    if version == BUILD {
        return Finding::fine(
            "plugin",
            format!("{file}, the same build as this command ({BUILD})"),
        );
    }
    Finding::wrong("plugin", format!("{file} is {version}, this command is {BUILD}"))
        .remedy(format!("Use both of one build. {}", advice::make("build")))
}

/// How GStreamer comes to find the plugin of this build.
fn how_to_find() -> String {
    let own = std::env::current_exe().ok().map(|exe| exe.with_file_name(FILE));
    match own.filter(|file| file.is_file()).as_deref().and_then(Path::parent) {
        Some(dir) => format!("export GST_PLUGIN_PATH={}", dir.display()),
        None => advice::make("install"),
    }
}

/// Loads a file in another process, since a broken one may end it, and returns what is wrong.
fn why_not_loaded(file: &Path) -> String {
    let exe = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("m2sd"));
    let tried = Command::new(exe).args(["doctor", "--load-plugin"]).arg(file).output();
    match tried {
        Ok(tried) if tried.status.success() => "it can be now; try again".to_owned(),
        Ok(tried) => match String::from_utf8_lossy(&tried.stdout).trim() {
            "" => format!("loading it ends the process ({})", tried.status),
            reason => reason.to_owned(),
        },
        Err(error) => format!("and why cannot be tried ({error})"),
    }
}

/// Loads a plugin's file; what is wrong with it otherwise.
pub fn load(file: &Path) -> Result<(), String> {
    gst::Plugin::load_file(file).map(drop).map_err(|error| error.to_string())
}

/// The folders in which GStreamer looks for plugins, in its order.
fn folders() -> Vec<PathBuf> {
    let set = |names: [&str; 2]| {
        let value = names.into_iter().find_map(std::env::var_os);
        value.map(|value| std::env::split_paths(&value).collect::<Vec<_>>())
    };
    let mut folders = set(["GST_PLUGIN_PATH_1_0", "GST_PLUGIN_PATH"]).unwrap_or_default();
    let system = set(["GST_PLUGIN_SYSTEM_PATH_1_0", "GST_PLUGIN_SYSTEM_PATH"]);
    folders.extend(system.unwrap_or_else(|| {
        let own = data_home().map(|data| data.join("gstreamer-1.0/plugins"));
        own.into_iter().chain(built_in()).collect()
    }));
    folders.retain(|dir| !dir.as_os_str().is_empty());
    folders
}

/// Where GStreamer's own plugins lie.
fn built_in() -> Option<PathBuf> {
    let core = gst::Registry::get().find_plugin("coreelements")?;
    core.filename()?.parent().map(Path::to_owned)
}
