//! How `add`, `remove` and `list` reach the firewall that runs: a Unix socket for each interface, one JSON object a
//! line each way.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, ErrorKind, Write as _},
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::{
            fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
            net::{UnixListener, UnixStream},
        },
    },
    path::PathBuf,
    time::Duration,
};

use firewall::{cidr::Cidr, list::Verdict, rows::Row};
use serde::{Deserialize, Serialize};

use super::{now, print_rows, socket_folder, tables::Tables};
use crate::{failure::Failure, foreground::Running, render::json_line};

/// What is asked of a running firewall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    Add { drop: Vec<String>, allow: Vec<String> },
    Remove { prefixes: Vec<String> },
    List,
}

/// A line of the answer; `Done` and `Refused` are the last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Row(Row),
    Done { changed: usize },
    Refused { cause: String, exit_code: u8 },
}

/// A caller that hangs must not keep the firewall from its work.
const PATIENCE: Duration = Duration::from_secs(2);

/// One socket for each interface of this process. They vanish with it; what a kill -9 leaves is cleared by the next.
pub struct Server {
    sockets: Vec<(UnixListener, PathBuf)>,
}

impl Server {
    pub fn new() -> Result<Self, Failure> {
        let folder = socket_folder();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(&folder)
            .map_err(|error| Failure::failed(format!("cannot make {}: {error}", folder.display()), None))?;
        Ok(Self { sockets: Vec::new() })
    }

    pub fn listen(&mut self, ifindex: u32) -> Result<(), Failure> {
        let path = socket_path(ifindex)?;
        let failed =
            |error: io::Error| Failure::failed(format!("cannot listen on {}: {error}", path.display()), None);
        // We hold the interface's hook, so whoever made an older socket is gone.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        self.sockets.push((listener, path.clone()));
        Ok(())
    }

    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(|(listener, _)| listener.as_fd())
    }

    /// Answers everybody who waits.
    pub fn serve(&self, tables: &mut Tables, ports: &[Running]) -> Result<(), Failure> {
        for (listener, _) in &self.sockets {
            while let Ok((stream, _)) = listener.accept() {
                // A caller that went away is its own problem.
                let _ = answer(&stream, tables, ports);
            }
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for (_, path) in &self.sockets {
            let _ = fs::remove_file(path);
        }
    }
}

fn socket_path(ifindex: u32) -> Result<PathBuf, Failure> {
    // An ifindex is unique only inside its network namespace.
    let netns = fs::metadata("/proc/thread-self/ns/net")
        .map_err(|error| Failure::failed(format!("cannot read /proc: {error}"), None))?;
    Ok(socket_folder().join(format!("{}-{ifindex}.sock", netns.ino())))
}

fn answer(stream: &UnixStream, tables: &mut Tables, ports: &[Running]) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let mut out = io::BufWriter::new(stream);
    let result = serde_json::from_str(&line)
        .map_err(|error| Failure::failed(format!("not a request: {error}"), None))
        .and_then(|request| perform(&request, tables, ports, &mut out));
    let last = match result {
        Ok(changed) => Answer::Done { changed },
        Err(Failure::ClosedPipe) => return Ok(()),
        Err(Failure::Explained(diagnosis)) => {
            Answer::Refused { cause: diagnosis.cause, exit_code: diagnosis.exit_code }
        }
    };
    json_line(&mut out, &last)?;
    out.flush()
}

fn perform(
    request: &Request,
    tables: &mut Tables,
    ports: &[Running],
    out: &mut impl io::Write,
) -> Result<usize, Failure> {
    match request {
        Request::List => {
            for row in tables.rows(now())? {
                json_line(out, &Answer::Row(row))?;
            }
            Ok(0)
        }
        Request::Add { drop, allow } => {
            let drop = parse(drop)?.into_iter().map(|prefix| (prefix, Verdict::Drop));
            let all: Vec<(Cidr, Verdict)> =
                drop.chain(parse(allow)?.into_iter().map(|prefix| (prefix, Verdict::Allow))).collect();
            for (at, (prefix, _)) in all.iter().enumerate() {
                if let Some(verdict) = tables.verdict(*prefix) {
                    return Err(refused(format!("{prefix} is there already: {}", verdict.name())));
                }
                if all[..at].iter().any(|(other, _)| other == prefix) {
                    return Err(refused(format!("{prefix} is named twice")));
                }
            }
            for (prefix, verdict) in &all {
                tables.add(*prefix, *verdict, ports)?;
            }
            Ok(all.len())
        }
        Request::Remove { prefixes } => {
            let prefixes = parse(prefixes)?;
            if let Some(missing) = prefixes.iter().find(|prefix| tables.verdict(**prefix).is_none()) {
                return Err(refused(format!("{missing} is not in the tables")));
            }
            for prefix in &prefixes {
                tables.remove(*prefix, ports)?;
            }
            Ok(prefixes.len())
        }
    }
}

fn refused(cause: String) -> Failure {
    Failure::failed(cause + "; nothing was changed", None)
}

fn parse(texts: &[String]) -> Result<Vec<Cidr>, Failure> {
    let parse =
        |text: &String| text.parse().map_err(|e| Failure::usage(format!("{e}; nothing was changed"), None));
    texts.iter().map(parse).collect()
}

/// Sends a request to the firewall on `interface` and prints its answer.
pub fn ask(interface: &str, request: &Request, json: bool) -> Result<u8, Failure> {
    let ifindex = engine::ifindex(interface)?;
    let stream = UnixStream::connect(socket_path(ifindex)?).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => Failure::new(
            engine::exit::NOT_PERMITTED,
            "the firewall's socket is root's",
            Some("run it as root"),
        ),
        _ => Failure::failed(
            format!("no `senko firewall` runs on {interface}"),
            Some(&format!("start one: senko firewall {interface} --drop CIDR…")),
        ),
    })?;
    let gone = |error: io::Error| {
        Failure::failed(format!("the firewall on {interface} does not answer: {error}"), None)
    };
    json_line(&mut &stream, request).map_err(gone)?;
    let mut rows = Vec::new();
    let mut out = io::stdout().lock();
    for line in BufReader::new(&stream).lines() {
        let answer = serde_json::from_str(&line.map_err(gone)?).map_err(|error| gone(error.into()))?;
        match answer {
            Answer::Row(row) if json => json_line(&mut out, &row)?,
            Answer::Row(row) => rows.push(row),
            Answer::Refused { cause, exit_code } => return Err(Failure::new(exit_code, cause, None)),
            Answer::Done { changed } => {
                match request {
                    Request::List if !json => print_rows(&mut out, &rows)?,
                    Request::List => {}
                    Request::Add { .. } => eprintln!("senko: {interface}: {changed} added"),
                    Request::Remove { .. } => eprintln!("senko: {interface}: {changed} removed"),
                }
                return Ok(0);
            }
        }
    }
    Err(gone(ErrorKind::UnexpectedEof.into()))
}
