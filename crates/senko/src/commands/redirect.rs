//! `senko redirect`: answer echo requests, or join two ports.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    io::{IsTerminal as _, Write},
    net::IpAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use abi::{Reason, Stage};
use clap::Args;
use engine::{Map, Pipeline, PipelineBuilder, RedirectErrors};
use redirect::{
    cli::RedirectOptions,
    rows::Row,
    shared::{LOCAL_ADDRESSES, PORTS, mode},
};

use crate::{
    args::{Global, ToolArgs},
    failure::Failure,
    foreground::{Clock, Running, announce, distinct},
    render::{Table, json_line, say},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  senko redirect eth0 --reflect icmp\n  senko redirect eth0 --to eth1 --duration 10s"
)]
pub struct RedirectArgs {
    /// Interfaces to work on; one with --to
    #[arg(required = true, value_name = "IFACE")]
    interfaces: Vec<String>,
    #[command(flatten)]
    options: RedirectOptions,
    /// How often to print
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = crate::args::duration)]
    interval: Duration,
    #[command(flatten)]
    tool: ToolArgs,
}

pub fn run(args: &RedirectArgs, global: &Global) -> Result<u8, Failure> {
    let clock = Clock::new(args.tool.duration)?;
    let errors = RedirectErrors::start();
    let instance = match &args.options.to {
        Some(to) => Instance::cross(&args.interfaces, to, &args.tool)?,
        None => Instance::reflect(&args.interfaces, &args.tool)?,
    };
    let errors = errors.map_err(|error| say(format_args!("redirect errors will not be shown: {error}"))).ok();
    let names: HashMap<u32, String> = instance
        .ports
        .iter()
        .map(|port| (port.attachment.ifindex, port.attachment.interface.clone()))
        .collect();
    let mut out = std::io::stdout().lock();
    let mut told = BTreeSet::new();
    let mut next = Instant::now() + args.interval;
    loop {
        let go_on = clock.wait_while(next, || instance.ports.iter().all(Running::is_alive));
        next += args.interval;
        instance.refresh_local()?;
        let lost = errors.as_ref().map(|errors| errors.read(&names)).transpose()?.unwrap_or_default();
        for (interface, errno) in lost.keys() {
            if told.insert((interface.clone(), *errno)) {
                explain(interface, *errno);
            }
        }
        print(&mut out, &instance.rows(&lost)?, global.json)?;
        if let Some(gone) = instance.ports.iter().find(|port| !port.is_alive()) {
            return Err(gone.disappeared());
        }
        if !go_on {
            return Ok(0);
        }
    }
}

/// The ports of one call, and the addresses they answer for.
struct Instance {
    ports: Vec<Running>,
    reflects: bool,
}

impl Instance {
    fn cross(interfaces: &[String], to: &str, tool: &ToolArgs) -> Result<Self, Failure> {
        let [from] = interfaces else {
            return Err(Failure::usage(
                "`--to` joins one interface with one other",
                Some("senko redirect A --to B"),
            ));
        };
        let names = [from.clone(), to.to_owned()];
        distinct(&names)?;
        let builder = PipelineBuilder::new(&[Stage::Redirect]).global("REDIRECT_MODE", mode::CROSS);
        let indexes = [engine::ifindex(from)?, engine::ifindex(to)?];
        let mut ports = Vec::new();
        for (name, peer) in names.iter().zip([indexes[1], indexes[0]]) {
            let (pipeline, attachment) = builder.attach_prepared(name, tool.mode.into(), |pipeline| {
                pipeline.map("PEER_PORT")?.set(&0_u32, &peer)
            })?;
            announce(&attachment);
            ports.push(Running { pipeline, attachment });
        }
        Ok(Self { ports, reflects: false })
    }

    fn reflect(interfaces: &[String], tool: &ToolArgs) -> Result<Self, Failure> {
        distinct(interfaces)?;
        let indexes: Vec<u32> =
            interfaces.iter().map(|name| engine::ifindex(name)).collect::<Result<_, _>>()?;
        let builder = PipelineBuilder::new(&[Stage::Redirect])
            .global("REDIRECT_MODE", mode::REFLECT)
            .map_entries("REFLECT_PORTS", PORTS)
            .map_entries("LOCAL", LOCAL_ADDRESSES);
        let mut ports = Vec::new();
        for interface in interfaces {
            let (pipeline, attachment) =
                builder.attach_prepared(interface, tool.mode.into(), |pipeline| {
                    for ifindex in &indexes {
                        pipeline.map("REFLECT_PORTS")?.set(ifindex, ifindex)?;
                    }
                    set_local(pipeline)
                })?;
            announce(&attachment);
            warn_if_not_forwarding(interface);
            ports.push(Running { pipeline, attachment });
        }
        Ok(Self { ports, reflects: true })
    }

    /// Addresses come and go.
    fn refresh_local(&self) -> Result<(), Failure> {
        if self.reflects {
            for port in &self.ports {
                set_local(&port.pipeline)?;
            }
        }
        Ok(())
    }

    fn rows(&self, lost: &BTreeMap<(String, u32), u64>) -> Result<Vec<Row>, Failure> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let mut rows = Vec::new();
        for Running { pipeline, attachment } in &self.ports {
            for (reason, judged) in pipeline.reasons()? {
                if judged.packets != 0 && reason != Reason::Unclaimed {
                    rows.push(Row {
                        time,
                        interface: attachment.interface.clone(),
                        reason: reason.name(),
                        error: None,
                        packets: judged.packets,
                        bytes: Some(judged.bytes),
                    });
                }
            }
        }
        for ((interface, errno), frames) in lost {
            let error = Some(errno_name(*errno));
            let interface = interface.clone();
            rows.push(Row { time, interface, reason: "error", error, packets: *frames, bytes: None });
        }
        Ok(rows)
    }
}

/// Tells the data path which addresses are this host's now.
fn set_local(pipeline: &Pipeline) -> Result<(), engine::Error> {
    let wanted: BTreeSet<[u32; 4]> = engine::netlink::local_addresses()?.into_iter().map(words).collect();
    let map: &Map = pipeline.map("LOCAL")?;
    let present: BTreeSet<[u32; 4]> = map.keys::<[u32; 4]>()?.into_iter().collect();
    for address in wanted.difference(&present) {
        map.set(address, &1_u32)?;
    }
    for address in present.difference(&wanted) {
        map.remove(address)?;
    }
    Ok(())
}

/// The words that the data path compares: host order, IPv4 in the last.
fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(v4) => [0, 0, 0, v4.to_bits()],
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32]
        }
    }
}

/// The kernel looks up routes for XDP only on interfaces that forward (`bpf_ipv4_fib_lookup` in `net/core/filter.c`).
fn warn_if_not_forwarding(interface: &str) {
    for (family, name) in [("ipv4", "IPv4"), ("ipv6", "IPv6")] {
        let path = format!("/proc/sys/net/{family}/conf/{interface}/forwarding");
        if fs::read_to_string(path).is_ok_and(|value| value.trim() == "0") {
            say(format_args!(
                "{interface}: forwarding is off, so the kernel answers {name} pings itself: run\n  \
                 sysctl -w net.{family}.conf.{interface}.forwarding=1"
            ));
        }
    }
}

fn errno_name(errno: u32) -> String {
    format!("{:?}", nix::Error::from_raw(errno.cast_signed()))
}

/// What the kernel's silence means.
fn explain(interface: &str, errno: u32) {
    let name = errno_name(errno);
    let (cause, remedy) = match errno.cast_signed() {
        // Newer kernels answer for a veth whose other end has neither GRO nor a program as for a driver that cannot.
        libc::ENXIO | libc::EOPNOTSUPP => (
            "the port takes no redirected frames: of a veth, because of its other end; of a card, because of its driver",
            "veth: `ethtool -K OTHER_END gro on`, or attach an XDP program there; else: `--mode generic`",
        ),
        libc::EMSGSIZE => ("frames are longer than the port's MTU", "give both ports the same MTU"),
        libc::ENETDOWN => ("the port is down", "bring it up: `ip link set PORT up`"),
        libc::ENOSPC | libc::ENOBUFS => {
            ("the port's queue is full", "add queues: `ethtool -L PORT combined N`")
        }
        _ => ("frames are lost after the redirect", "see `senko doctor` of the port"),
    };
    say(format_args!("{interface}: {name}: {cause}\n  {remedy}"));
}

fn print(out: &mut impl Write, rows: &[Row], json: bool) -> Result<(), Failure> {
    if json {
        for row in rows {
            json_line(out, row)?;
        }
        return Ok(out.flush()?);
    }
    if std::io::stdout().is_terminal() {
        write!(out, "\x1b[H\x1b[2J")?;
    }
    let mut table = Table::new(&["interface", "what", "packets", "bytes"]);
    for row in rows {
        let what = row.error.as_ref().map_or_else(|| row.reason.into(), |error| format!("error {error}"));
        let bytes = row.bytes.map_or_else(String::new, |bytes| bytes.to_string());
        table.row(vec![row.interface.clone(), what, row.packets.to_string(), bytes]);
    }
    if table.is_empty() {
        writeln!(out, "nothing redirected yet")?;
    } else {
        table.write(out)?;
    }
    Ok(out.flush()?)
}
