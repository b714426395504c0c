//! The stage on the host, in the place that the pipeline gives it.

use abi::{Action, Reason, Step};
use redirect::logic::{self, Env};
use wire::{Frame, parse};

/// What becomes of a frame, and its bytes afterwards.
pub fn judge(bytes: &[u8], env: &mut impl Env) -> (Step, Vec<u8>) {
    let mut copy = bytes.to_vec();
    let mut frame = Frame::new(&mut copy);
    let step = match parse(&frame, bytes.len() as u64) {
        Ok(headers) => logic::reflect(&mut frame, &headers, env),
        Err(_) => Step::Done(Action::Pass, Reason::Malformed),
    };
    (step, copy)
}
