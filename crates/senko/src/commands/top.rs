//! `senko top`: the gateway at work, on the whole terminal.

mod draw;
mod model;

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use agent::{place::Place, view::View};
use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use self::model::Model;
use crate::{args::Global, failure::Failure, foreground::Clock, render::json_line};

#[derive(Debug, Args)]
#[command(
    after_help = "Keys:\n  q quit   ← → interface   p pause\n\nExamples:\n  senko top\n  senko top --interval 2s\n  senko top --json | jq .interfaces"
)]
pub struct TopArgs {
    /// How often to look
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = crate::args::duration)]
    interval: Duration,
}

pub fn run(args: &TopArgs, global: &Global) -> Result<u8, Failure> {
    let mut view = View::open(&Place::here()?)?;
    if global.json {
        return lines(&mut view, args.interval);
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let remedy = "`senko stats --interval 1s` prints to anything";
        return Err(Failure::usage("`senko top` wants a terminal", Some(remedy)));
    }
    let mut model = Model::new(view.read()?);
    // From here on a panic, too, gives the terminal back.
    let mut terminal = ratatui::try_init()?;
    let result = watch(&mut terminal, &mut view, &mut model, args.interval);
    ratatui::restore();
    result.map(|()| 0)
}

/// The documents of `senko stats`, one a line.
fn lines(view: &mut View, interval: Duration) -> Result<u8, Failure> {
    let clock = Clock::new(None)?;
    let mut out = io::stdout().lock();
    let mut next = Instant::now();
    loop {
        json_line(&mut out, &view.read()?)?;
        out.flush()?;
        next += interval;
        if !clock.wait_until(next) {
            return Ok(0);
        }
    }
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    view: &mut View,
    model: &mut Model,
    interval: Duration,
) -> Result<(), Failure> {
    let mut next = Instant::now() + interval;
    loop {
        terminal.draw(|frame| draw::draw(frame, model))?;
        if event::poll(next.saturating_duration_since(Instant::now()))? {
            if let Event::Key(key) = event::read()?
                && !press(model, key)
            {
                return Ok(());
            }
            continue;
        }
        next = (next + interval).max(Instant::now());
        model.update(view.read()?);
    }
}

/// `false`: it is time to go.
fn press(model: &mut Model, key: KeyEvent) -> bool {
    if key.kind == KeyEventKind::Release {
        return true;
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return false,
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
        KeyCode::Char('p' | ' ') => model.paused = !model.paused,
        KeyCode::Right | KeyCode::Down | KeyCode::Char('l' | 'j') => model.select(1),
        KeyCode::Left | KeyCode::Up | KeyCode::Char('h' | 'k') => model.select(-1),
        _ => {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_what_the_help_says() {
        let mut model = Model::new(model::tests::stats(1, &[("eth0", 0, 0), ("eth1", 0, 0)]));
        let mut hit = |code| press(&mut model, KeyEvent::new(code, KeyModifiers::NONE));
        assert!(hit(KeyCode::Char('p')) && hit(KeyCode::Right));
        assert!(!hit(KeyCode::Char('q')) && !hit(KeyCode::Esc));
        assert!((model.paused, model.selected) == (true, 1));
        assert!(!press(&mut model, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    }
}
