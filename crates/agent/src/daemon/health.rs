//! How well the daemon does: what status, metrics and systemd say of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::Serialize;

use crate::gateway::{Gateway, now};

/// Written by the gateway's thread, read by everybody.
#[derive(Debug, Default)]
pub struct Health(Mutex<State>);

/// What is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct State {
    /// `null`: nothing is live.
    pub generation: Option<u64>,
    /// Interfaces that are configured, and how many of them have their program.
    pub interfaces: usize,
    pub attached: usize,
    /// Seconds since 1970 of the last start, reload or apply.
    pub reloaded_at: f64,
    /// Why it failed; the generation before goes on.
    pub reload_error: Option<String>,
}

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get(&self) -> State {
        self.state().clone()
    }

    /// After something was applied, or failed to be.
    pub fn reloaded(&self, gateway: &Gateway, error: Option<String>) {
        self.look(gateway);
        let mut state = self.state();
        state.reloaded_at = now();
        state.reload_error = error;
    }

    /// After interfaces changed.
    pub fn look(&self, gateway: &Gateway) {
        let record = gateway.record();
        let interfaces = record.map_or(&[][..], |record| &record.interfaces);
        let attached = interfaces.iter().filter(|interface| interface.attached.is_some()).count();
        let mut state = self.state();
        state.generation = record.map(|record| record.generation);
        (state.interfaces, state.attached) = (interfaces.len(), attached);
    }

    /// One line for `systemctl status`.
    pub fn line(&self) -> String {
        let state = self.get();
        let live = match state.generation {
            Some(generation) => {
                format!("generation {generation} on {} of {} interfaces", state.attached, state.interfaces)
            }
            None => "no generation is live".into(),
        };
        match state.reload_error {
            Some(error) => format!("{live}; the last reload failed: {error}"),
            None => live,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_is_live_and_what_failed() {
        let health = Health::default();
        assert_eq!(health.line(), "no generation is live");
        let state = State {
            generation: Some(3),
            interfaces: 2,
            attached: 1,
            reload_error: Some("it has 1 error".into()),
            ..State::default()
        };
        *health.state() = state;
        assert_eq!(
            health.line(),
            "generation 3 on 1 of 2 interfaces; the last reload failed: it has 1 error"
        );
    }
}
