//! Frames that the kernel loses after `bpf_redirect_map` said yes. Needs root.
//!
//! A file of its own: the tracepoints are the whole system's and know interfaces by their index only, so losses in one
//! lab would be told in another that runs at the same time.

mod support;

use lab::{Topology, raw_send};
use support::{Tool, assert_clean, frames, inside, lab};

#[test]
fn frames_that_the_kernel_swallows_are_shown() {
    let lab = lab("swallow", Topology::Router);
    let (h1, h2, r) = (lab.host("h1"), lab.host("h2"), lab.host("r"));
    // A veth takes redirected frames only where its other end has GRO or a program.
    inside(h2, "ethtool", &["-K", "to-r", "gro", "off"]);
    let args = ["redirect", "to-h1", "--to", "to-h2", "--json", "--mode", "native", "--interval", "50ms"];
    let mut tool = Tool::start(r, &args, 2);
    raw_send(h1, "to-r", &vec![frames::other(h1, h2, 0x1234, &[9; 60]); 5]).expect("it is sent");
    let row = tool.wait_row(|row| row["reason"] == "error" && row["packets"].as_u64() >= Some(5));
    assert!(row["error"].as_str().is_some_and(|error| error.starts_with('E')), "{row}");
    assert!(row.get("bytes").is_none(), "{row}");
    tool.wait_err("ethtool -K OTHER_END gro on");
    tool.stop().ok();
    assert_clean(&lab);
}
