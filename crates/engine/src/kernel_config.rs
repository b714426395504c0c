//! The options the running kernel was built with, where that is written down.

use std::{collections::BTreeMap, fs, io::Read as _, path::Path};

use flate2::read::GzDecoder;

/// How an option is set. Options that are not in the file are off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    BuiltIn,
    Module,
    Off,
}

/// A kernel's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelConfig {
    /// The file it was read from.
    pub source: String,
    options: BTreeMap<String, Setting>,
}

impl KernelConfig {
    /// Of the running kernel: /proc/config.gz, else the file that distributions leave in /boot, else the one in the
    /// modules directory. `None` when there is none of them.
    pub fn of_running_kernel(release: &str) -> Option<Self> {
        let compressed = fs::File::open("/proc/config.gz").ok().and_then(|file| {
            let mut text = String::new();
            GzDecoder::new(file).read_to_string(&mut text).ok()?;
            Some(Self::parse("/proc/config.gz", &text))
        });
        compressed.or_else(|| {
            let modules = format!("/lib/modules/{release}");
            [
                format!("/boot/config-{release}"),
                format!("{modules}/config"),
                format!("{modules}/build/.config"),
            ]
            .into_iter()
            .find_map(|path| {
                let text = fs::read_to_string(Path::new(&path)).ok()?;
                Some(Self::parse(&path, &text))
            })
        })
    }

    pub fn parse(source: &str, text: &str) -> Self {
        let options = text
            .lines()
            .filter_map(|line| {
                let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
                let setting = match value.trim() {
                    "m" => Setting::Module,
                    "n" => Setting::Off,
                    _ => Setting::BuiltIn,
                };
                Some((name.to_owned(), setting))
            })
            .collect();
        Self { source: source.into(), options }
    }

    /// An option by its name without `CONFIG_`.
    pub fn get(&self, option: &str) -> Setting {
        self.options.get(option).copied().unwrap_or(Setting::Off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_commented_options_are_off() {
        let config = KernelConfig::parse(
            "test",
            "#\n# Automatically generated\nCONFIG_BPF=y\nCONFIG_VETH=m\n# CONFIG_XDP_SOCKETS is not set\n\
             CONFIG_LSM=\"landlock,bpf\"\nCONFIG_HZ=250\n",
        );
        assert_eq!(config.get("BPF"), Setting::BuiltIn);
        assert_eq!(config.get("VETH"), Setting::Module);
        assert_eq!(config.get("XDP_SOCKETS"), Setting::Off);
        assert_eq!(config.get("NEVER_HEARD_OF"), Setting::Off);
        assert_eq!(config.get("LSM"), Setting::BuiltIn);
    }
}
