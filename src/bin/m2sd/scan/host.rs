//! What decides how a machine computes. Nothing here tells whose machine it is.

use gstm2sd::evidence::records::Host;

/// What the kernel tells of itself and its processor; empty where it does not.
pub fn host() -> Host {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let [system, release] = ["ostype", "osrelease"]
        .map(|name| read(&format!("/proc/sys/kernel/{name}")).trim().to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    Host {
        cpu: field(&read("/proc/cpuinfo"), ':', "model name"),
        cores: u32::try_from(cores).unwrap_or(u32::MAX),
        kernel: format!("{system} {release}").trim().to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        os: field(&read("/etc/os-release"), '=', "PRETTY_NAME").trim_matches('"').to_owned(),
    }
}

/// The first value of `key` in lines of keys and values.
fn field(text: &str, separator: char, key: &str) -> String {
    let pairs = text.lines().filter_map(|line| line.split_once(separator));
    let mut values = pairs.filter(|(name, _)| name.trim() == key);
    values.next().map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_among_others() {
        let text = "processor\t: 0\nmodel name\t: Some CPU: fast\nmodel name\t: Other\n";
        assert_eq!(field(text, ':', "model name"), "Some CPU: fast");
        assert_eq!(field("NAME=\"x\"\n", '=', "PRETTY_NAME"), "");
        assert!(host().cores > 0);
    }
}
