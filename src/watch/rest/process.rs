//! What this process uses, as the kernel counts it.

use std::fs;

use serde::Serialize;

/// What this process uses; what the kernel does not tell is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ProcessStatus {
    /// Bytes of memory.
    pub(super) resident_bytes: Option<u64>,
    /// Threads.
    pub(super) threads: Option<u64>,
    /// Open file descriptors.
    pub(super) open_files: Option<u64>,
    /// Seconds of processor time since it began.
    pub(super) cpu_seconds: Option<f64>,
}

impl ProcessStatus {
    /// Of now.
    pub(super) fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let files = fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
        Self {
            resident_bytes: field(&status, "VmRSS:").map(|kib| kib * 1024),
            threads: field(&status, "Threads:"),
            // The folder that is being read is one of them.
            open_files: files.map(|count| count.saturating_sub(1)),
            cpu_seconds: cpu_seconds(&stat),
        }
    }
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time are the 14th and 15th field, in hundredths of a second on every Linux; the
/// second is the program's name in brackets, which may hold spaces.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_counted() {
        let now = ProcessStatus::read();
        assert!(now.resident_bytes.is_some_and(|bytes| bytes > 100_000), "{now:?}");
        assert!(now.threads.is_some_and(|threads| threads >= 1), "{now:?}");
        assert!(now.open_files.is_some_and(|files| files >= 3), "{now:?}");
        assert!(now.cpu_seconds.is_some_and(|seconds| seconds >= 0.0), "{now:?}");
    }

    #[test]
    fn the_name_of_the_program_may_hold_anything() {
        let stat = "1 (a) b) S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 1 1 1";
        assert_eq!(cpu_seconds(stat), Some(3.0));
    }
}
