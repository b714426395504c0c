//! The API on the Unix socket: HTTP with JSON, described by OpenAPI 3.1. The command line uses it when the daemon is there.

mod client;
mod openapi;
mod server;

pub use self::{
    client::Client,
    openapi::openapi,
    server::{Job, Server, Sight, metrics},
};

/// Asks the daemon to end.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Takes the gateway off its interfaces, too.
    #[serde(default)]
    pub detach: bool,
}

/// A path of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    /// One sentence.
    pub about: &'static str,
}

/// Everything the API has, as the server's router and the OpenAPI document have it.
pub const ROUTES: [Route; 13] = [
    route("get", "/v1/openapi.json", "This description"),
    route("get", "/v1/status", "What is live, how well, and how the last reload went"),
    route("get", "/v1/stats", "What was counted, per interface, rule, set, block and protocol"),
    route("get", "/v1/metrics", "The same for Prometheus"),
    route("post", "/v1/apply", "Makes a configuration live"),
    route("post", "/v1/rollback", "Goes back to the configuration before"),
    route("post", "/v1/confirm", "Says that what was applied works"),
    route("get", "/v1/sets/{name}", "The elements of a set, one a line"),
    route("post", "/v1/sets/{name}", "Adds elements to a set and takes others out"),
    route("get", "/v1/blocks", "What is blocked, until when and why"),
    route("post", "/v1/blocks", "Blocks a prefix"),
    route("post", "/v1/unblock", "Ends blocks"),
    route("post", "/v1/stop", "Ends the daemon; the data path stays unless it is told to go"),
];

const fn route(method: &'static str, path: &'static str, about: &'static str) -> Route {
    Route { method, path, about }
}
