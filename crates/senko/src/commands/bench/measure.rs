//! Timing: rounds that begin with the floor, on one CPU, and medians.

use abi::Action;
use engine::Program;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

use crate::failure::Failure;

const ROUNDS: usize = 5;

/// How long one figure is measured in one round.
const NANOSECONDS: f64 = 60e6;

/// Keeps this process on the last CPU it may use: the first has the machine's interrupts.
pub fn pin_to_one_cpu() -> Result<(), Failure> {
    let failed = |errno: nix::Error| Failure::failed(format!("cannot choose a CPU: {errno}"), None);
    let allowed = sched_getaffinity(Pid::from_raw(0)).map_err(failed)?;
    let last = (0..CpuSet::count()).rev().find(|cpu| allowed.is_set(*cpu).unwrap_or(false)).unwrap_or(0);
    let mut one = CpuSet::new();
    one.set(last).map_err(failed)?;
    sched_setaffinity(Pid::from_raw(0), &one).map_err(failed)
}

/// Lets the calling thread run on every CPU again: a sender beside what is measured.
pub fn use_every_cpu() -> Result<(), Failure> {
    let failed = |errno: nix::Error| Failure::failed(format!("cannot choose a CPU: {errno}"), None);
    let mut all = CpuSet::new();
    (0..CpuSet::count()).try_for_each(|cpu| all.set(cpu)).map_err(failed)?;
    sched_setaffinity(Pid::from_raw(0), &all).map_err(failed)
}

/// The floor's and each program's time for one packet, nanoseconds, medians of the rounds.
pub fn in_turn(programs: &[&Program], frame: &[u8]) -> Result<(f64, Vec<f64>), Failure> {
    let floor = engine::floor(Action::Drop)?;
    let mut all = vec![&floor];
    all.extend(programs);
    // Once unmeasured, to load caches and to learn how often makes a round.
    let repeats: Vec<u32> = all
        .iter()
        .map(|program| {
            let first = once(program, frame, 20_000)?;
            Ok((NANOSECONDS / first.max(1.0)).clamp(20_000.0, 20e6) as u32)
        })
        .collect::<Result<_, Failure>>()?;
    let mut samples = vec![Vec::new(); all.len()];
    for _ in 0..ROUNDS {
        for ((program, repeat), samples) in all.iter().zip(&repeats).zip(&mut samples) {
            samples.push(once(program, frame, *repeat)?);
        }
    }
    let mut medians = samples.into_iter().map(median);
    let floor = medians.next().unwrap_or_default();
    Ok((floor, medians.collect()))
}

/// By the CPU time of the call: the kernel's own figure is whole nanoseconds, and the wall clock also runs while other
/// processes have the CPU.
fn once(program: &Program, frame: &[u8], repeat: u32) -> Result<f64, Failure> {
    let begun = cpu_time()?;
    program.test_run(frame, repeat)?;
    Ok((cpu_time()? - begun) / f64::from(repeat))
}

fn cpu_time() -> Result<f64, Failure> {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_err(|errno| Failure::failed(format!("no CPU clock: {errno}"), None))?;
    Ok(now.tv_sec() as f64 * 1e9 + now.tv_nsec() as f64)
}

/// Samples of things that were measured in turn, one of each a round.
#[derive(Debug, Default)]
pub struct Rounds(Vec<Vec<f64>>);

impl Rounds {
    /// Runs `count` rounds of `parts`, and one before them to warm up.
    pub fn run<'a, T: 'a>(
        count: usize,
        parts: impl Iterator<Item = T> + Clone,
        mut one: impl FnMut(T) -> Result<f64, Failure>,
    ) -> Result<Self, Failure> {
        let mut rounds = Vec::new();
        for round in 0..=count {
            let figures = parts.clone().map(&mut one).collect::<Result<Vec<f64>, Failure>>()?;
            if round > 0 {
                rounds.push(figures);
            }
        }
        Ok(Self(rounds))
    }

    pub fn median(&self, part: usize) -> f64 {
        median(self.0.iter().map(|round| round[part]).collect())
    }

    /// Of one part over another, round by round: the machine's speed drifts, but less within a round.
    pub fn ratio(&self, part: usize, over: usize) -> f64 {
        median(self.0.iter().map(|round| round[part] / round[over]).collect())
    }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}
