//! Real traffic between hosts, with std sockets and a deadline on every wait.

pub mod packet;
pub mod ping;
pub mod tcp;
pub mod udp;
