//! Scans what has no records yet, several files at a time.

use std::fs::{File, TryLockError};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use gstm2sd::core::counted::counted;
use indicatif::{ProgressBar, ProgressStyle};

use super::ScoringArgs;
use super::classifiers::Classifier;
use super::data::Source;
use super::degrade::Degradation;
use super::media;
use super::records::{Scan, digest};
use crate::child;
use crate::error::CliError;
use crate::signals::Signals;
use crate::terminal::note;

const GLANCE: Duration = Duration::from_millis(20);
/// How long a scan may take to end after a signal: it has 10 s by its own rules.
const STOP_TIME: Duration = Duration::from_secs(15);
/// How the folder for what is under way begins.
const WORK: &str = "work-";
/// How much of a scan's last words is kept.
const LONGEST_REASON: usize = 400;

/// What is to be scanned.
pub struct Jobs<'a> {
    pub out: &'a Path,
    pub items: Vec<Source>,
    pub classifiers: &'a [Classifier],
    pub degradations: &'a [Degradation],
    pub scoring: &'a ScoringArgs,
}

/// One video, degraded in one way.
struct Job<'a> {
    item: &'a Source,
    degradation: Degradation,
}

/// The records of a scan, or why there are none.
pub type Scanned = Result<PathBuf, String>;

/// All scans, done.
pub struct Scans {
    pub items: Vec<Source>,
    /// By degradation, then item, then classifier, each in its order.
    results: Vec<Vec<Scanned>>,
}

impl Scans {
    /// The records of one item's scan.
    pub fn of(&self, degradation: usize, item: usize, classifier: usize) -> Option<&Scanned> {
        self.results.get(degradation * self.items.len() + item)?.get(classifier)
    }

    /// # Errors
    /// Where files could not be scanned: 4 where it is all of them, else 5.
    pub fn outcome(&self) -> Result<(), CliError> {
        let mut failed = self.results.iter().flatten().filter_map(|result| result.as_ref().err());
        let all = self.results.iter().flatten().count();
        let Some(first) = failed.next() else { return Ok(()) };
        let count = 1 + failed.count();
        if count == all {
            return Err(CliError::runtime(format!("none of {all} scans succeeded: {first}")));
        }
        Err(CliError::Unscored(format!(
            "{count} of {all} scans failed; the files are listed as without a score. Run it again to \
             try these once more"
        )))
    }
}

impl Jobs<'_> {
    /// Scans until all is done or a signal comes.
    ///
    /// # Errors
    /// [`CliError::Signal`] when one came; what was done is in the folder.
    pub fn run(self, signals: &Signals) -> Result<Scans, CliError> {
        let _lock = lock(self.out)?;
        remove_leftovers(self.out);
        // Scans of a run that was killed may still write into its folder.
        let work = self.out.join(format!("{WORK}{}", std::process::id()));
        std::fs::create_dir_all(&work)
            .map_err(|e| CliError::input(format!("cannot make {}: {e}", work.display())))?;
        let jobs: Vec<_> = self
            .degradations
            .iter()
            .flat_map(|degradation| {
                self.items.iter().map(|item| Job { item, degradation: *degradation })
            })
            .collect();
        let bar = self.bar(jobs.len());
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, Vec<Scanned>)>> = Mutex::default();
        thread::scope(|scope| {
            for _ in 0..self.at_a_time() {
                scope.spawn(|| {
                    while signals.received().is_none() {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(job) = jobs.get(number) else { break };
                        let worker = Worker { jobs: &self, signals, work: &work, number };
                        let results = worker.job(job);
                        if signals.received().is_none() {
                            tell_failures(&bar, job, &results);
                        }
                        bar.inc(1);
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((number, results));
                    }
                });
            }
        });
        bar.finish_and_clear();
        let _ = std::fs::remove_dir_all(&work);
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(signal) = signals.received() {
            let finished = done.iter().filter(|(_, results)| results.iter().all(Result::is_ok));
            note(&format!(
                "m2sd: scored {} of {}; the same command goes on from here",
                finished.count(),
                counted(jobs.len(), "file")
            ));
            return Err(CliError::Signal(signal));
        }
        done.sort_by_key(|(number, _)| *number);
        let results = done.into_iter().map(|(_, results)| results).collect();
        drop(jobs);
        Ok(Scans { items: self.items, results })
    }

    fn bar(&self, length: usize) -> ProgressBar {
        if self.scoring.quiet {
            return ProgressBar::hidden();
        }
        let bar = crate::terminal::bar(Some(length as u64));
        let style = "{elapsed_precise} {wide_bar} {pos} of {len} files, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar
    }

    fn at_a_time(&self) -> u32 {
        self.scoring.jobs.unwrap_or_else(|| (cores() / 2).clamp(1, 4))
    }
}

fn cores() -> u32 {
    thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
}

fn tell_failures(bar: &ProgressBar, job: &Job<'_>, results: &[Scanned]) {
    for reason in results.iter().filter_map(|result| result.as_ref().err()) {
        let degradation = job.degradation.name();
        bar.suspend(|| note(&format!("m2sd: {} ({degradation}): {reason}", job.item.video.file)));
    }
}

/// Removes what runs that were killed left: nobody else is here.
fn remove_leftovers(out: &Path) {
    for entry in std::fs::read_dir(out).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(WORK) {
            // What stays is in nobody's way.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Held as long as this process writes into the folder.
fn lock(out: &Path) -> Result<File, CliError> {
    let path = out.join(".lock");
    let failed = |e| CliError::input(format!("cannot write {}: {e}", path.display()));
    let file = File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CliError::input(format!(
            "another m2sd writes into {}; expected to be alone there. Wait for it, or name another \
             --out",
            out.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Who does one job.
struct Worker<'a> {
    jobs: &'a Jobs<'a>,
    signals: &'a Signals,
    work: &'a Path,
    number: usize,
}

impl Worker<'_> {
    /// The records of each classifier. What is there is not made again.
    fn job(&self, job: &Job<'_>) -> Vec<Scanned> {
        let place = |classifier: &Classifier| -> Scanned {
            let key = key(job.item, &classifier.gates)?;
            let folder = self.jobs.out.join("records").join(&classifier.name);
            Ok(folder.join(job.degradation.name()).join(format!("{key}.jsonl")))
        };
        let mut copy: Option<Result<PathBuf, String>> = None;
        let mut results = Vec::new();
        for classifier in self.jobs.classifiers {
            let result = place(classifier).and_then(|records| {
                if Scan::read(&records).is_ok_and(|scan| scan.is_done()) {
                    return Ok(records);
                }
                let input = copy.get_or_insert_with(|| self.input(job)).clone()?;
                self.scan(&input, classifier, &records)?;
                Ok(records)
            });
            results.push(result);
        }
        // The original is where it was.
        let _ = std::fs::remove_file(self.copy_path());
        results
    }

    fn copy_path(&self) -> PathBuf {
        self.work.join(format!("{}.mkv", self.number))
    }

    /// The file to scan.
    fn input(&self, job: &Job<'_>) -> Result<PathBuf, String> {
        match job.item.files.as_slice() {
            [file] if job.degradation.is_none() && !job.item.is_frames => Ok(file.clone()),
            _ => {
                let path = self.copy_path();
                media::copy(job.item, job.degradation, &path, self.signals)?;
                Ok(path)
            }
        }
    }

    /// Has a process of its own scan the file.
    fn scan(&self, input: &Path, classifier: &Classifier, records: &Path) -> Result<(), String> {
        let [written, said] =
            ["jsonl", "log"].map(|ending| self.work.join(format!("{}.{ending}", self.number)));
        let failed = |e: std::io::Error| format!("cannot start a scan: {e}");
        let log = File::create(&said).map_err(failed)?;
        let mut command = child::command().map_err(failed)?;
        self.arguments(&mut command, classifier);
        command.arg("--json").arg(&written).arg("--").arg(input);
        command.stdout(Stdio::null()).stderr(log);
        let status = self.wait(command.spawn().map_err(failed)?).map_err(failed)?;
        let scan = Scan::read(&written);
        if scan.is_ok_and(|scan| scan.is_done()) {
            let folder = records.parent().unwrap_or(Path::new("."));
            let kept =
                std::fs::create_dir_all(folder).and_then(|()| std::fs::rename(&written, records));
            return kept.map_err(|e| format!("cannot write {}: {e}", records.display()));
        }
        let words = std::fs::read(&said).unwrap_or_default();
        Err(last_words(&String::from_utf8_lossy(&words))
            .unwrap_or_else(|| format!("the scan ended by {status} without a word")))
    }

    fn arguments(&self, command: &mut Command, classifier: &Classifier) {
        let args = self.jobs.scoring;
        command
            .args(["--color=never", "scan", "--quiet", "--force", "--classifier"])
            .arg(with_slash(&classifier.path));
        let texts = [
            ("--engines", &args.engines),
            ("--detector", &args.detector),
            ("--aligner", &args.aligner),
        ];
        for (option, text) in texts {
            if let Some(text) = text {
                command.args([option, text]);
            }
        }
        let threads = (cores() / self.jobs.at_a_time()).max(1);
        command.args([
            "--provider",
            args.provider.as_str(),
            "--precision",
            args.precision.as_str(),
        ]);
        command.args(["--device", &args.device.to_string(), "--threads", &threads.to_string()]);
        command.args(["--clip-stride", &args.clip_stride.to_string()]);
        command.args(["--detect-interval", &args.detect_interval.to_string()]);
    }

    fn wait(&self, mut child: Child) -> std::io::Result<ExitStatus> {
        let mut stopping: Option<Instant> = None;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            match stopping {
                None if self.signals.received().is_some() => {
                    child::end(&mut child);
                    stopping = Some(Instant::now());
                }
                Some(since) if since.elapsed() > STOP_TIME => child.kill()?,
                _ => {}
            }
            thread::sleep(GLANCE);
        }
    }
}

/// A name with a slash is a path, not a model of the engines folder.
fn with_slash(path: &Path) -> PathBuf {
    if path.components().count() > 1 { path.to_owned() } else { Path::new(".").join(path) }
}

/// The name of an item's records: of its files' names, sizes and times and of the classifier's limits,
/// so that what has changed is scanned again.
fn key(item: &Source, gates: &str) -> Result<String, String> {
    let mut parts = vec![item.video.file.clone().into_bytes(), gates.as_bytes().to_owned()];
    for file in &item.files {
        let named = |e: std::io::Error| format!("cannot read {}: {e}", file.display());
        let metadata = std::fs::metadata(file).map_err(named)?;
        let time = metadata.modified().map_err(named)?.duration_since(UNIX_EPOCH);
        let time = time.unwrap_or_default().as_nanos();
        let rest = format!("\n{}\n{time}", metadata.len());
        parts.push([file.as_os_str().as_bytes(), rest.as_bytes()].concat());
    }
    if item.files.is_empty() {
        return Err("it has no frames".to_owned());
    }
    Ok(digest(parts.iter().map(Vec::as_slice)).get(..32).unwrap_or_default().to_owned())
}

/// What a scan that failed said last.
fn last_words(said: &str) -> Option<String> {
    let mut lines = said.lines().rev().filter_map(|line| line.strip_prefix("m2sd: "));
    let line = lines.find(|line| !line.starts_with("warning"))?;
    Some(line.chars().take(LONGEST_REASON).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_say_why() {
        let said = "m2sd: warning: x\nFrames: 0\nm2sd: clip.mp4: not one frame\nm2sd: warning: y\n";
        assert_eq!(last_words(said).as_deref(), Some("clip.mp4: not one frame"));
        assert_eq!(last_words("Frames: 3"), None);
    }
}
