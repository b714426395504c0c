//! News of interfaces.

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::Error;

/// `RTMGRP_LINK`: interfaces; the two of addresses.
const GROUPS: u32 = 1 | 0x10 | 0x100;

/// Hears of every change of an interface or address of this network namespace.
pub struct LinkWatch(Socket);

impl LinkWatch {
    pub fn new() -> Result<Self, Error> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(Error::system("netlink socket"))?;
        socket.bind(&SocketAddr::new(0, GROUPS)).map_err(Error::system("netlink bind"))?;
        Ok(Self(socket))
    }

    /// Waits until something has changed. News that found no room counts as a change, too.
    pub fn wait(&self) -> Result<(), Error> {
        match self.0.recv_from_full() {
            Ok(_) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(()),
            Err(error) => Err(Error::system("netlink receive")(error)),
        }
    }
}
