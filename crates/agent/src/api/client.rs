//! The command line's side of the API.

use std::{io, path::Path};

use http_body_util::{BodyExt as _, Full};
use hyper::{Method, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, runtime::Runtime};

use super::Stop;
use crate::{
    error::Error,
    request::{Refusal, Reply, Request},
};

/// A connection to the daemon of a gateway.
pub struct Client {
    runtime: Runtime,
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Client {
    /// `Ok(None)`: no daemon is there.
    pub fn connect(socket: &Path) -> Result<Option<Self>, Error> {
        let failed = || Error::io(format!("ask the daemon at {}", socket.display()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed())?;
        let connected = runtime.block_on(async {
            let stream = UnixStream::connect(socket).await?;
            let (sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
            // Ends with the sender.
            tokio::spawn(connection);
            Ok::<_, io::Error>(sender)
        });
        match connected {
            Ok(sender) => Ok(Some(Self { runtime, sender })),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed()(error)),
        }
    }

    /// Has something done.
    pub fn perform(&mut self, request: &Request) -> Result<Result<Reply, Refusal>, Error> {
        match request {
            Request::Apply(apply) => self.post("/v1/apply", apply),
            Request::Rollback => self.post("/v1/rollback", &()),
            Request::Confirm => self.post("/v1/confirm", &()),
            // Names of sets have no characters that would need escaping.
            Request::EditSet(name, edit) => self.post(&format!("/v1/sets/{name}"), edit),
            Request::Block(block) => self.post("/v1/blocks", block),
            Request::Unblock(prefixes) => self.post("/v1/unblock", prefixes),
            Request::Detach => self.post("/v1/stop", &Stop { detach: true }),
        }
    }

    pub fn get_text(&mut self, path: &str) -> Result<Result<String, Refusal>, Error> {
        let answer = self.ask(Method::GET, path, Vec::new())?;
        Ok(answer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    pub fn post<A: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Result<A, Refusal>, Error> {
        let body = serde_json::to_vec(body).expect("plain data");
        match self.ask(Method::POST, path, body)? {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Ok).map_err(|error| unreadable(&error)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn ask(&mut self, method: Method, path: &str, body: Vec<u8>) -> Result<Result<Bytes, Refusal>, Error> {
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "senko")
            .header("content-type", "application/json")
            .body(Full::from(body))
            .expect("paths of ours are sound");
        let gone = |error: hyper::Error| Error::io("ask the daemon")(io::Error::other(error));
        let sender = &mut self.sender;
        let (status, bytes) = self
            .runtime
            .block_on(async {
                let answer = sender.send_request(request).await?;
                let status = answer.status();
                Ok::<_, hyper::Error>((status, answer.into_body().collect().await?.to_bytes()))
            })
            .map_err(gone)?;
        if status == StatusCode::OK {
            return Ok(Ok(bytes));
        }
        let refusal = serde_json::from_slice(&bytes);
        refusal.map(Err).map_err(|_| Error::Refused(format!("the daemon answers {status} to {path}")))
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::Refused(format!(
        "the daemon's answer cannot be read ({error}); is it of another version? restart it"
    ))
}
