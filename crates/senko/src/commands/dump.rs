//! `senko dump`: packets as XDP saw them, printed or written to a file.

mod file;
mod output;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use abi::Stage;
use capture::{cli::CaptureOptions, filter::FilterValues, record::Packet, shared::RING_BYTES};
use clap::{Args, ValueEnum};
use engine::{Map, PipelineBuilder, RecordBuffer, RecordReader, Records as _, exit};

use self::output::Output;
use crate::{
    args::{Global, ToolArgs},
    failure::Failure,
    foreground::{Clock, Running, announce, distinct, wall_clock_offset},
    render::say,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  senko dump eth0 --syn\n  senko dump eth0 --host 192.0.2.1 --port 443 -c 10 -x\n  senko dump eth0 eth1 -w both.pcapng --duration 10s"
)]
pub struct DumpArgs {
    /// Interfaces to capture on
    #[arg(required = true, value_name = "IFACE")]
    interfaces: Vec<String>,
    #[command(flatten)]
    options: CaptureOptions,
    /// Where packets wait for us; `auto` is the ring buffer from kernel 5.18 on
    #[arg(long, value_enum, default_value_t = Buffer::Auto)]
    buffer: Buffer,
    #[command(flatten)]
    tool: ToolArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Buffer {
    Auto,
    Ring,
    Perf,
}

/// How often the buffers are looked at. Nobody wakes us for a packet: that would cost more than the packet.
const TICK: Duration = Duration::from_millis(10);

pub fn run(args: DumpArgs, global: &Global) -> Result<u8, Failure> {
    distinct(&args.interfaces)?;
    let filter = FilterValues::from_args(&args.options.filter)
        .map_err(|error| Failure::usage(error.to_string(), None))?;
    if args.buffer == Buffer::Ring && RecordBuffer::of_running_kernel() == RecordBuffer::Perf {
        return Err(Failure::new(
            exit::NOT_SUPPORTED,
            "programs of this kernel cannot copy a frame into a ring buffer, which came with 5.18",
            Some("use --buffer perf, or none: `auto` takes what there is"),
        ));
    }
    let output = Output::open(&args.options, &args.interfaces, global.json)?;
    let clock = Clock::new(args.tool.duration)?;
    let builder = builder(&filter, args.options.snaplen(), args.buffer);
    let mut ports = Vec::new();
    for interface in &args.interfaces {
        ports.push(Port::start(&builder, interface, &args.tool)?);
    }

    let left = args.options.count.unwrap_or(u64::MAX);
    let mut progress = Progress { output, wall: wall_clock_offset(), left, captured: 0 };
    let result = loop {
        let go_on = clock.wait_until(Instant::now() + TICK);
        if let Err(failure) = drain(&mut ports, &mut progress) {
            break Err(failure);
        }
        if !go_on || progress.left == 0 {
            break Ok(());
        }
        if let Some(gone) = ports.iter().find(|port| !port.running.is_alive()) {
            break Err(gone.running.disappeared());
        }
    };
    let lost: u64 = ports.iter().map(Port::lost).sum();
    let Progress { output, captured, .. } = progress;
    say(format_args!("{captured} packets captured, {lost} lost because the buffer was full"));
    result.and_then(|()| output.finish()).map(|()| 0)
}

fn builder(filter: &FilterValues, snaplen: u32, buffer: Buffer) -> PipelineBuilder {
    let builder = PipelineBuilder::new(&[Stage::Capture])
        .global("CAPTURE_SNAPLEN", snaplen)
        .global("CAPTURE_FILTER", filter.parts)
        .global("CAPTURE_PROTOCOL", filter.protocol)
        .global("CAPTURE_PORT", filter.port)
        .global("CAPTURE_IP_VERSION", filter.ip_version)
        .global("CAPTURE_ETHERTYPE", filter.ethertype)
        .global("CAPTURE_HOST0", filter.host[0])
        .global("CAPTURE_HOST1", filter.host[1])
        .global("CAPTURE_HOST2", filter.host[2])
        .global("CAPTURE_HOST3", filter.host[3])
        .map_entries("RECORDS", RING_BYTES);
    match buffer {
        Buffer::Auto => builder,
        Buffer::Ring => builder.record_buffer(RecordBuffer::Ring),
        Buffer::Perf => builder.record_buffer(RecordBuffer::Perf),
    }
}

/// One interface, its data path and its buffer.
struct Port {
    running: Running,
    records: RecordReader,
    lost: Arc<Map>,
}

impl Port {
    fn start(builder: &PipelineBuilder, interface: &str, tool: &ToolArgs) -> Result<Self, Failure> {
        let (pipeline, attachment) = builder.attach(interface, tool.mode.into())?;
        let running = Running { pipeline, attachment };
        let records = running.pipeline.records()?;
        let lost = running.pipeline.map("CAPTURE_LOST")?.clone();
        // Not before there is a buffer: who reads this may send what is to be captured.
        announce(&running.attachment);
        Ok(Self { running, records, lost })
    }

    fn lost(&self) -> u64 {
        self.lost.get_per_cpu::<u32, u64>(&0).map_or(0, |lost| lost.into_iter().sum())
    }
}

/// What is done with the packets, and how many more are wanted.
struct Progress {
    output: Output,
    /// Nanoseconds to add to a packet's time.
    wall: i128,
    left: u64,
    captured: u64,
}

impl Progress {
    fn packet(&mut self, interface: usize, record: &[u8]) -> Result<(), Failure> {
        if self.left == 0 {
            return Ok(());
        }
        let Some(packet) = Packet::from_record(record) else { return Ok(()) };
        self.left -= 1;
        self.captured += 1;
        let time = Duration::from_nanos((i128::from(packet.header.time) + self.wall).max(0) as u64);
        self.output.packet(interface, time, &packet)
    }
}

/// Prints or writes all packets that are there, in the order in which they came.
fn drain(ports: &mut [Port], progress: &mut Progress) -> Result<(), Failure> {
    let mut result = Ok(());
    if let [Port { records: RecordReader::Ring(ring), .. }] = ports {
        // One ring is in order by itself, and need not be copied.
        ring.drain(&mut |record| {
            if result.is_ok() {
                result = progress.packet(0, record);
            }
        });
        result?;
        return progress.output.flush();
    }
    let mut records: Vec<(u64, usize, Vec<u8>)> = Vec::new();
    for (interface, port) in ports.iter_mut().enumerate() {
        let mut each = |record: &[u8]| {
            let time = Packet::from_record(record).map_or(0, |packet| packet.header.time);
            records.push((time, interface, record.to_vec()));
        };
        port.records.drain(&mut each);
    }
    records.sort_by_key(|(time, ..)| *time);
    for (_, interface, record) in records {
        progress.packet(interface, &record)?;
    }
    progress.output.flush()
}
