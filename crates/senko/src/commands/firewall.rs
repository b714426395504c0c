//! `senko firewall`: drop by prefix, and change the prefixes of one that runs.

mod control;
mod import;
pub mod tables;

use std::{
    fs,
    io::{IsTerminal as _, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use firewall::{
    cli::FirewallOptions,
    compile::Policy,
    list::{List, Verdict},
    rows::Row,
};

use self::{
    control::{Request, Server},
    tables::Tables,
};
use crate::{
    args::{Global, ToolArgs},
    failure::Failure,
    foreground::{Clock, Running, Wake, announce, distinct, keep_present},
    render::{Table, json_line},
};

#[derive(Debug, Args)]
#[command(
    override_usage = "senko firewall IFACE… --drop CIDR… [--drop-file FILE] [--allow CIDR…] [OPTIONS]\n       \
                      senko firewall IFACE add CIDR… [--allow CIDR…]\n       \
                      senko firewall IFACE remove CIDR…\n       \
                      senko firewall IFACE list\n       \
                      senko firewall import FILE",
    after_help = "The longest prefix that covers a packet's source decides. The verbs talk to the `senko firewall` \
                  that runs on the interface. `import` prints rules of `iptables-save`, `nft -j list ruleset` or an \
                  xdp-filter list as the section [firewall] of senko.toml.\n\nExamples:\n  \
                  senko firewall eth0 --drop 192.0.2.0/24 2001:db8::/32\n  \
                  senko firewall eth0 --drop-file blocklist.txt --allow 198.51.100.7\n  \
                  senko firewall eth0 add 203.0.113.0/24\n  \
                  iptables-save | senko firewall import -"
)]
pub struct FirewallArgs {
    /// Interfaces to filter on; then add, remove or list with their prefixes
    #[arg(required = true, value_name = "IFACE")]
    words: Vec<String>,
    #[command(flatten)]
    options: FirewallOptions,
    /// How often to print
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = crate::args::duration)]
    interval: Duration,
    #[command(flatten)]
    tool: ToolArgs,
}

pub fn run(args: FirewallArgs, global: &Global) -> Result<u8, Failure> {
    if let [verb, words @ ..] = args.words.as_slice()
        && verb == "import"
    {
        return import::run(words, global);
    }
    if let Some((interface, request)) = request(&args)? {
        return control::ask(interface, &request, global.json);
    }
    filter(&args, global)
}

/// The second word, when it is a verb, makes the call one to a firewall that runs.
fn request(args: &FirewallArgs) -> Result<Option<(&str, Request)>, Failure> {
    let [interface, verb, prefixes @ ..] = args.words.as_slice() else { return Ok(None) };
    let FirewallOptions { drop, drop_file, allow, allow_file, count_each } = &args.options;
    let request = match verb.as_str() {
        "add" => Request::Add { drop: [prefixes, drop].concat(), allow: allow.clone() },
        "remove" => Request::Remove { prefixes: prefixes.to_vec() },
        "list" => Request::List,
        _ => return Ok(None),
    };
    let unused = *count_each || !drop_file.is_empty() || !allow_file.is_empty();
    let nothing = match &request {
        Request::Add { drop, allow } => drop.is_empty() && allow.is_empty(),
        Request::Remove { prefixes } => prefixes.is_empty() || !drop.is_empty() || !allow.is_empty(),
        Request::List => !prefixes.is_empty() || !drop.is_empty() || !allow.is_empty(),
    };
    if unused || nothing {
        return Err(Failure::usage(
            format!(
                "`{verb}` takes {}",
                if verb == "list" { "nothing more" } else { "prefixes, and no files" }
            ),
            Some("see `senko firewall --help`"),
        ));
    }
    Ok(Some((interface, request)))
}

fn filter(args: &FirewallArgs, global: &Global) -> Result<u8, Failure> {
    distinct(&args.words)?;
    let lists = read_lists(&args.options)?;
    if lists.iter().all(|list| list.prefixes.is_empty()) {
        return Err(Failure::usage(
            "no prefix to drop or allow",
            Some("name some with --drop, --drop-file or --allow"),
        ));
    }
    let policy = Policy::compile(&lists, args.options.count_each)
        .map_err(|twice| Failure::usage(twice.to_string(), None))?;
    drop(lists);

    let clock = Clock::new(args.tool.duration)?;
    let mut tables = Tables::build(policy)?;
    let mut ports = Vec::new();
    let mut server = Server::new()?;
    for interface in &args.words {
        let (pipeline, attachment) = tables.builder().attach(interface, args.tool.mode.into())?;
        // First the socket: who reads the line below may send a request.
        server.listen(attachment.ifindex)?;
        announce(&attachment);
        ports.push(Running { pipeline, attachment });
    }

    let mut out = std::io::stdout().lock();
    let mut next = Instant::now() + args.interval;
    loop {
        let wake = clock.wait(next, server.fds(), || ports.iter().all(Running::is_alive))?;
        if wake == Wake::Ready {
            server.serve(&mut tables, &ports)?;
            continue;
        }
        next += args.interval;
        print(&mut out, &tables, global.json, wake == Wake::Stop)?;
        if wake == Wake::Stop {
            return Ok(0);
        }
        keep_present(&mut ports, |port| port)?;
    }
}

fn read_lists(options: &FirewallOptions) -> Result<Vec<List>, Failure> {
    let wrong = |error: firewall::list::ListError| Failure::usage(error.to_string(), None);
    let mut lists = Vec::new();
    for (name, verdict, prefixes, files) in [
        ("--drop", Verdict::Drop, &options.drop, &options.drop_file),
        ("--allow", Verdict::Allow, &options.allow, &options.allow_file),
    ] {
        lists.push(List::from_args(name, verdict, prefixes).map_err(wrong)?);
        for path in files {
            let contents = read(path)?;
            lists.push(List::from_file(&path.display().to_string(), verdict, &contents).map_err(wrong)?);
        }
    }
    Ok(lists)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display()), None))
}

pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Rows that have hits; in a terminal in place, in a pipe one after the other, at the end all once more.
fn print(out: &mut impl Write, tables: &Tables, json: bool, last: bool) -> Result<(), Failure> {
    let rows: Vec<Row> = tables.rows(now())?.into_iter().filter(|row| row.packets != 0).collect();
    if json {
        for row in &rows {
            json_line(out, row)?;
        }
    } else {
        if std::io::stdout().is_terminal() && !last {
            write!(out, "\x1b[H\x1b[2J")?;
        }
        print_rows(out, &rows)?;
    }
    Ok(out.flush()?)
}

fn print_rows(out: &mut impl Write, rows: &[Row]) -> std::io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "no hits yet");
    }
    let mut table = Table::new(&["action", "prefix", "list", "packets", "bytes"]);
    for row in rows {
        table.row(vec![
            row.action.name().into(),
            row.prefix.clone().unwrap_or_else(|| format!("({} prefixes)", row.prefixes)),
            row.list.clone(),
            row.packets.to_string(),
            row.bytes.to_string(),
        ]);
    }
    table.write(out)
}

/// Where running firewalls listen.
fn socket_folder() -> PathBuf {
    PathBuf::from("/run/senko/firewall")
}
