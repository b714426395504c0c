//! Sections of the gateway itself.

use std::net::SocketAddr;

use policy::{Field, Problems, Section, Shape};

/// The keys of `[metrics]`.
pub const METRICS: &[Field] = &[Field {
    name: "listen",
    shape: Shape::Listen,
    about: "Where Prometheus finds the metrics, by HTTP at /metrics.",
    default: "",
}];

/// What is not the packets' business.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where metrics are served; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
}

pub fn read(metrics: Option<&Section<'_>>, problems: &mut Problems) -> Settings {
    let Some(section) = metrics else { return Settings::default() };
    section.check_keys(problems);
    let listen = section.listen("listen", problems);
    if section.value("listen").is_none() {
        let hint = "add listen = \"127.0.0.1:9479\", or remove the section";
        problems.warning(section.at(), "[metrics] without `listen` serves nobody", Some(hint.into()));
    }
    Settings { metrics: listen }
}
