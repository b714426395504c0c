//! The endpoint for Prometheus, where the configuration asks for one.

use std::net::SocketAddr;

use axum::{Router, routing::get};
use tokio::{net::TcpListener, runtime::Handle, task::JoinHandle};

use crate::api::{Server, metrics};

pub struct Endpoint {
    runtime: Handle,
    server: Server,
    listening: Option<(SocketAddr, JoinHandle<()>)>,
}

impl Endpoint {
    pub fn new(runtime: Handle, server: Server) -> Self {
        Self { runtime, server, listening: None }
    }

    /// Listens there, or nowhere.
    pub fn listen_on(&mut self, address: Option<SocketAddr>, tell: &dyn Fn(&str)) {
        if self.listening.as_ref().map(|(address, _)| *address) == address {
            return;
        }
        if let Some((_, task)) = self.listening.take() {
            task.abort();
        }
        let Some(address) = address else { return };
        match self.runtime.block_on(TcpListener::bind(address)) {
            Ok(listener) => {
                let router = Router::new().route("/metrics", get(metrics)).with_state(self.server.clone());
                let serve = async move {
                    // It ends with the runtime, or when it is aborted.
                    let _ = axum::serve(listener, router).await;
                };
                self.listening = Some((address, self.runtime.spawn(serve)));
                tell(&format!("metrics at http://{address}/metrics"));
            }
            Err(error) => tell(&format!("no metrics: cannot listen on {address}: {error}")),
        }
    }
}
