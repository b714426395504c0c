//! Throw-away hosts in network namespaces, joined by veth cables: one crate for the demo, the
//! tests, the benches and `senko lab`.
//!
//! ```no_run
//! use lab::{Lab, Topology};
//!
//! let lab = Lab::builder("try").topology(Topology::Pair).build()?;
//! let (h1, h2) = (lab.host("h1"), lab.host("h2"));
//! let report = lab::ping(h1, h2.ipv4().into(), 3)?;
//! assert_eq!(report.received, 3);
//! // The lab and everything in it is gone when `lab` is dropped.
//! # Ok::<(), lab::LabError>(())
//! ```

pub mod cli;

mod builder;
mod error;
mod ethtool;
mod handle;
mod host;
mod leftovers;
mod netlink;
mod netns;
mod occupants;
mod plan;
mod state;
mod sysctl;
mod sysfs;
mod topology;
mod traffic;

pub use builder::Builder;
pub use error::{LabError, NetError};
pub use handle::Lab;
pub use host::{Host, Interface};
pub use leftovers::{Leftovers, find_leftovers, remove_leftovers};
pub use occupants::Occupant;
pub use topology::Topology;
pub use traffic::packet::{PacketListener, raw_listen, raw_send};
pub use traffic::ping::{PingReport, ping};
pub use traffic::tcp::{EchoServer, TcpReport, tcp_echo_server, tcp_exchange};
pub use traffic::udp::{UdpSink, udp_send, udp_sink};
