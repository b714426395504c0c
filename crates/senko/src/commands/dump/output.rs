//! Where captured packets go: text, JSON lines, or a pcapng file.

use std::{
    io::{self, BufWriter, StdoutLock, Write},
    path::Path,
    time::Duration,
};

use capture::{
    cli::CaptureOptions,
    pcapng,
    record::{Packet, Row, summarize},
    text,
};

use super::file::CaptureFile;
use crate::{failure::Failure, render::json_line};

pub struct Output {
    sink: Sink,
    interfaces: Vec<String>,
    hex: bool,
    link: bool,
}

enum Sink {
    Text(BufWriter<StdoutLock<'static>>),
    Json(BufWriter<StdoutLock<'static>>),
    /// The file's name, for errors.
    Pcapng(String, pcapng::Writer<Box<dyn Write>>),
}

impl Output {
    /// Opens the file before anything is attached, so that a wrong path costs nothing.
    pub fn open(options: &CaptureOptions, interfaces: &[String], json: bool) -> Result<Self, Failure> {
        let stdout = || BufWriter::new(io::stdout().lock());
        let sink = match &options.write {
            Some(path) => {
                let name = path.display().to_string();
                let writer = create(path)
                    .and_then(|file| pcapng::Writer::new(file, interfaces, options.snaplen()))
                    .map_err(|error| cannot_write(&name, &error))?;
                Sink::Pcapng(name, writer)
            }
            None if json => Sink::Json(stdout()),
            None => Sink::Text(stdout()),
        };
        Ok(Self { sink, interfaces: interfaces.to_vec(), hex: options.hex, link: options.link })
    }

    pub fn packet(&mut self, interface: usize, time: Duration, packet: &Packet<'_>) -> Result<(), Failure> {
        let name = &self.interfaces[interface];
        let length = packet.header.length;
        match &mut self.sink {
            Sink::Pcapng(file, writer) => {
                return writer
                    .packet(interface as u32, time, packet)
                    .map_err(|error| cannot_write(file, &error));
            }
            Sink::Text(out) => {
                let summary = summarize(packet.bytes, length);
                let clock = text::time_of_day(time.as_nanos() as u64);
                let link =
                    if self.link { text::link_header(packet.bytes, &summary, length) } else { String::new() };
                let what = text::describe(packet.bytes, length, &summary);
                writeln!(out, "{clock} {name} {link}{what} [{}]", packet.verdict())?;
                if self.hex {
                    out.write_all(text::hex_dump(packet.bytes).as_bytes())?;
                }
            }
            Sink::Json(out) => {
                let summary = summarize(packet.bytes, length);
                let row = Row {
                    time: time.as_secs_f64(),
                    interface: name.clone(),
                    queue: packet.header.queue,
                    length,
                    captured: packet.header.captured,
                    verdict: packet.verdict(),
                    reason: packet.reason(),
                    text: text::describe(packet.bytes, length, &summary),
                    summary,
                    data: self.hex.then(|| packet.bytes.iter().map(|b| format!("{b:02x}")).collect()),
                };
                json_line(out, &row)?;
            }
        }
        Ok(())
    }

    pub fn flush(&mut self) -> Result<(), Failure> {
        match &mut self.sink {
            Sink::Text(out) | Sink::Json(out) => Ok(out.flush()?),
            Sink::Pcapng(file, writer) => writer.flush().map_err(|error| cannot_write(file, &error)),
        }
    }

    pub fn finish(mut self) -> Result<(), Failure> {
        self.flush()
    }
}

fn create(path: &Path) -> io::Result<Box<dyn Write>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufWriter::new(io::stdout().lock())));
    }
    Ok(Box::new(CaptureFile::open(path)?))
}

fn cannot_write(file: &str, error: &io::Error) -> Failure {
    match error.raw_os_error() {
        _ if error.kind() == io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
        Some(libc::ENOSPC | libc::EDQUOT) => Failure::failed(
            format!("{file}: the disk is full; the packets before are in the file"),
            Some("free some space, or write elsewhere with `-w`"),
        ),
        _ => Failure::failed(format!("cannot write {file}: {error}"), Some("choose another file with `-w`")),
    }
}
