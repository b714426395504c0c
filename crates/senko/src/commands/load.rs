//! `senko load`: anybody's XDP object onto an interface.

mod global;
mod shared_maps;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use engine::{
    Attachment, LoadChoices, LoadedObject, Mode, ObjectFile, Occupant, bpffs, inventory,
    pin::{self, PinDirectory},
};
use serde::Serialize;

use crate::{
    args::{Global, ModeArg},
    failure::Failure,
    foreground::Clock,
    render::json_line,
};

/// How often to look whether the interface is still there.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  senko load eth0 drop.o\n  senko load eth0 drop.o --pin /sys/fs/bpf/drop\n  \
                        senko load eth0 drop.o --program xdp_drop_udp --global PORT=53 --duration 10s\n  \
                        senko load eth0 new.o --pin /sys/fs/bpf/drop --replace"
)]
pub struct LoadArgs {
    /// Where to attach the program
    #[arg(value_name = "IFACE")]
    interface: String,
    /// An eBPF object file, made by clang, Rust or anything else
    #[arg(value_name = "OBJECT")]
    object: PathBuf,
    /// Which program, if the object has several
    #[arg(short = 'n', long, value_name = "NAME")]
    program: Option<String>,
    /// How to attach; `auto` is native, else generic, and says so
    #[arg(short, long, value_enum, default_value_t = ModeArg::Auto)]
    mode: ModeArg,
    /// Pin link, program and maps in this directory of a bpffs, and exit: the program stays
    #[arg(short, long, value_name = "DIR")]
    pin: Option<PathBuf>,
    /// Take the place of the program that is there, in one step
    #[arg(long)]
    replace: bool,
    /// Set a global: an integer (7, -1, 0x1f) or all its bytes (0x00112233…)
    #[arg(short, long = "global", value_name = "NAME=VALUE")]
    globals: Vec<String>,
    /// Load for frames of several buffers, which lifts the limit on the MTU
    #[arg(long)]
    frags: bool,
    /// Write all that the verifier says to this file
    #[arg(long, value_name = "FILE")]
    verifier_log: Option<PathBuf>,
    /// Detach after this long (10s, 500ms, 2m); without it, run until Ctrl-C
    #[arg(short, long, value_name = "TIME", value_parser = crate::args::duration, conflicts_with = "pin")]
    duration: Option<Duration>,
}

pub fn run(args: LoadArgs, global: &Global) -> Result<u8, Failure> {
    let clock = Clock::new(args.duration)?;
    let ifindex = engine::ifindex(&args.interface)?;
    let object = parse(&args.object)?;
    let program = choose(&object, args.program.as_deref())?;
    let mut choices =
        LoadChoices { programs: vec![program.clone()], frags: args.frags, ..LoadChoices::default() };
    for assignment in &args.globals {
        let (name, bytes) = global::parse(assignment, |name| Ok(object.global_size(name)?))?;
        choices.globals.set_bytes(&name, bytes);
    }
    if args.mode == ModeArg::Offload {
        choices.offload_ifindex = ifindex;
    }
    let shared = shared_maps::find(&object, args.pin.as_deref())?;
    shared.reuse(&mut choices);

    // Everything that can be refused is refused before anything is attached.
    let staged =
        args.pin.as_ref().map(|directory| PinDirectory::stage(directory, args.replace)).transpose()?;
    let loaded = object.load(&choices);
    write_log(args.verifier_log.as_deref(), &loaded, &program)?;
    let loaded = loaded?;
    if let Some(staged) = &staged {
        for (name, map) in &loaded.maps {
            staged.pin_map(name, map)?;
        }
        staged.pin_program(loaded.program(&program)?)?;
    }

    let before = if args.replace { inventory::occupants(&args.interface)? } else { Vec::new() };
    let mut attachment = attach(&args, &loaded, &program)?;
    if let (Some(staged), Some(link)) = (&staged, attachment.link()) {
        staged.pin_link(link)?;
    }
    shared.pin(&loaded)?;
    let directory = staged.map(PinDirectory::commit).transpose()?;
    if let Some(directory) = &directory {
        attachment.keep();
        remove_old_pins(directory, &before)?;
    }
    report(&args, global, &attachment, &loaded, &program, directory.as_deref())?;
    if directory.is_some() { Ok(0) } else { stay(&clock, &attachment) }
}

fn parse(path: &Path) -> Result<ObjectFile, Failure> {
    let bytes = fs::read(path).map_err(|source| engine::Error::Read { path: path.into(), source })?;
    ObjectFile::parse(&bytes).map_err(|error| {
        let diagnosis = engine::diagnose(&error);
        Failure::Explained(engine::Diagnosis {
            cause: format!("{}: {}", path.display(), diagnosis.cause),
            ..diagnosis
        })
    })
}

/// The program that is meant: the named one, or the only one.
fn choose(object: &ObjectFile, wanted: Option<&str>) -> Result<String, Failure> {
    let programs = object.xdp_programs();
    let list = programs.join(", ");
    match (wanted, &programs[..]) {
        (_, []) => Err(Failure::failed(
            "the object has no XDP program",
            Some(
                "XDP programs are functions in a section `xdp` or `xdp.frags`: SEC(\"xdp\") in C, #[xdp] in Rust",
            ),
        )),
        (Some(wanted), _) if programs.iter().any(|name| name == wanted) => Ok(wanted.into()),
        (Some(wanted), _) => Err(Failure::failed(
            format!("the object has no XDP program named `{wanted}`"),
            Some(&format!("it has: {list}")),
        )),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Failure::usage(
            format!("the object has {} XDP programs: {list}", programs.len()),
            Some("choose one with --program NAME"),
        )),
    }
}

/// The log is most wanted when loading failed, so it is written before that failure is reported.
fn write_log(
    path: Option<&Path>,
    loaded: &Result<LoadedObject, engine::Error>,
    program: &str,
) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let log = match loaded {
        Ok(loaded) => loaded.program(program)?.verifier_statistics(),
        Err(engine::Error::ProgramLoad { log, .. }) => log,
        Err(_) => return Ok(()),
    };
    fs::write(path, log)
        .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display()), None))
}

fn attach(args: &LoadArgs, loaded: &LoadedObject, program: &str) -> Result<Attachment, Failure> {
    let program = loaded.program(program)?;
    let mode = Mode::from(args.mode);
    Ok(match args.replace {
        true => engine::take_over(program, &args.interface, mode)?,
        false => engine::attach(program, &args.interface, mode)?,
    })
}

/// A link that was pinned elsewhere by senko has moved: its former directory would name a program that is gone.
fn remove_old_pins(directory: &Path, before: &[Occupant]) -> Result<(), Failure> {
    for pinned in before.iter().flat_map(|occupant| &occupant.pins) {
        match pin::directory_of(pinned) {
            Some(old) if old == directory => {}
            Some(old) if pinned.ends_with("link") => {
                eprintln!("senko: the link was pinned in {}; those pins are gone", old.display());
                pin::remove(old)?;
            }
            None if matches!(bpffs::pinned(pinned), Some(bpffs::Pinned::Link(_))) => {
                eprintln!("senko: the same link is also pinned at {}", pinned.display());
            }
            _ => {}
        }
    }
    Ok(())
}

/// One document for `--json`.
#[derive(Serialize)]
struct Loaded<'a> {
    interface: &'a str,
    mode: &'static str,
    /// Why it is not native.
    fallback: Option<&'a str>,
    program: &'a str,
    program_id: u32,
    link_id: Option<u32>,
    pinned: Option<&'a Path>,
}

fn report(
    args: &LoadArgs,
    global: &Global,
    attachment: &Attachment,
    loaded: &LoadedObject,
    program: &str,
    directory: Option<&Path>,
) -> Result<(), Failure> {
    let Attachment { interface, mode, fallback, .. } = attachment;
    if let Some(why) = fallback {
        eprintln!("senko: {interface}: generic mode, slower than native: {why}");
    }
    if attachment.link().is_none() {
        eprintln!(
            "senko: {interface}: the program there was attached over netlink, so this one is too: nothing detaches \
             it if senko is killed; `senko unload {interface} --force` does"
        );
    }
    let until = match (directory, args.duration) {
        (Some(directory), _) => {
            format!("pinned in {}; `senko unload {interface}` removes it", directory.display())
        }
        (None, Some(_)) => "until the time is over".into(),
        (None, None) => "Ctrl-C detaches".into(),
    };
    eprintln!("senko: {interface}: `{program}` attached in {mode} mode; {until}");
    if global.json {
        let document = Loaded {
            interface,
            mode: mode.name(),
            fallback: fallback.as_deref(),
            program,
            program_id: loaded.program(program)?.id()?,
            link_id: attachment.link().and_then(inventory::xdp_link).map(|link| link.id),
            pinned: directory,
        };
        let mut out = std::io::stdout().lock();
        json_line(&mut out, &document)?;
        out.flush()?;
    }
    Ok(())
}

fn stay(clock: &Clock, attachment: &Attachment) -> Result<u8, Failure> {
    while clock.wait_until(Instant::now() + LOOK) {
        if !engine::ifindex_exists(attachment.ifindex) {
            return Err(Failure::failed(
                format!("{} disappeared; its program went with it", attachment.interface),
                None,
            ));
        }
    }
    Ok(0)
}
