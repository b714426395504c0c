//! A gateway in a host of a lab, gone when dropped.

use std::{fs, path::Path};

use agent::place::Place;
use lab::Host;
use serde_json::Value;

use super::{Ended, Scratch, Tool};

/// A gateway with its configuration's files.
pub struct Gateway<'a> {
    pub host: &'a Host,
    pub place: Place,
    pub files: Scratch,
}

impl<'a> Gateway<'a> {
    /// Applies a configuration.
    #[track_caller]
    pub fn apply(host: &'a Host, config: &str) -> Self {
        Self::apply_with(host, config, &[])
    }

    /// As [`apply`](Self::apply), with files beside it.
    #[track_caller]
    pub fn apply_with(host: &'a Host, config: &str, others: &[(&str, &str)]) -> Self {
        let place = host.run(Place::here).expect("the namespace is there").expect("it has a place");
        let gateway = Self { host, place, files: Scratch::new("gateway") };
        for (name, contents) in others {
            gateway.files.write(name, contents);
        }
        gateway.reapply(config).ok();
        gateway
    }

    /// Applies another configuration.
    #[track_caller]
    pub fn reapply(&self, config: &str) -> Ended {
        let main = self.files.write("senko.toml", config);
        Tool::run(self.host, &["apply", "-c", &main])
    }

    /// The document of a command.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        let ended = Tool::run(self.host, &[args, &["--json"]].concat()).ok();
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {}", ended.out))
    }

    /// The text of a command.
    #[track_caller]
    pub fn text(&self, args: &[&str]) -> String {
        Tool::run(self.host, args).ok().out
    }
}

impl Drop for Gateway<'_> {
    fn drop(&mut self) {
        remove(&self.place.pins);
        remove(&self.place.run);
    }
}

fn remove(path: &Path) {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            eprintln!("{} is left: {error}", path.display());
        }
        _ => {}
    }
}
