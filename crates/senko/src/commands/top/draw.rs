//! The picture: who the gateway is, a line for each interface, and below it reasons and rules.

use agent::health::State;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders, Cell, Paragraph, Row, Table},
};

use super::model::{Model, REMEMBERED, Ranked};
use crate::render::scaled;

/// Columns of the last minute: names of interfaces, of 15 characters at most, have room beside it.
const BARS_WIDE: usize = 22;
const KEYS: &str = " q quit   ← → interface   p pause ";

pub fn draw(frame: &mut Frame<'_>, model: &Model) {
    let most = frame.area().height.saturating_sub(10).max(3);
    let lines = (model.stats.interfaces.len() as u16 + 1).clamp(2, most);
    let areas = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1 + lines),
        Constraint::Min(4),
        Constraint::Length(1),
    ]);
    let [head, interfaces, below, foot] = areas.areas(frame.area());
    frame.render_widget(header(model), head);
    draw_interfaces(frame, model, interfaces);
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(46), Constraint::Percentage(54)]).areas(below);
    draw_reasons(frame, model, left);
    draw_rules(frame, model, right);
    frame.render_widget(Paragraph::new(KEYS).style(Style::new().add_modifier(Modifier::DIM)), foot);
}

fn header(model: &Model) -> Line<'_> {
    let stats = &model.stats;
    let colour = match stats.health.state {
        State::Ok => Color::Green,
        State::Degraded => Color::Yellow,
        State::Down => Color::Red,
    };
    let word = Style::new().fg(colour).add_modifier(Modifier::BOLD);
    let blocks = match stats.blocks.len() {
        1 => "1 block".into(),
        blocks => format!("{blocks} blocks"),
    };
    let mut spans = vec![
        Span::raw(" "),
        Span::styled(stats.health.state.word(), word),
        Span::raw(format!("   generation {}, {} old   {blocks}", stats.generation, age(stats.age))),
    ];
    if model.paused {
        spans.push(Span::styled("   paused", Style::new().add_modifier(Modifier::REVERSED)));
    }
    if let Some(why) = stats.health.why.first() {
        spans.push(Span::styled(format!("   {why}"), Style::new().fg(colour)));
    }
    Line::from(spans)
}

/// In the two largest units.
fn age(seconds: f64) -> String {
    match seconds as u64 {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min {} s", s / 60, s % 60),
        s @ 3600..86_400 => format!("{} h {} min", s / 3600, s / 60 % 60),
        s => format!("{} d {} h", s / 86_400, s / 3600 % 24),
    }
}

fn draw_interfaces(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let header = ["", "interface", "mode", "packets/s", "bits/s", "drops/s", "last minute"];
    let widths = [
        Constraint::Length(1),
        Constraint::Min(12),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(BARS_WIDE as u16),
    ];
    // The chosen one is always in the picture.
    let room = usize::from(area.height.saturating_sub(2));
    let first = (model.selected + 1).saturating_sub(room);
    let rows = model.stats.interfaces.iter().enumerate().skip(first).map(|(at, interface)| {
        let rates = model.rates(interface);
        let is_chosen = at == model.selected;
        let drops = if rates.drops > 0.0 { Style::new().fg(Color::Red) } else { Style::new() };
        let style = if is_chosen { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
        Row::new([
            Cell::from(if is_chosen { "▸" } else { "" }),
            Cell::from(interface.interface.as_str()),
            Cell::from(interface.mode.as_deref().unwrap_or("not on")),
            right(scaled(rates.packets)),
            right(scaled(rates.bits)),
            right(scaled(rates.drops)).style(drops),
            Cell::from(sparkline(model.history(&interface.interface), BARS_WIDE)),
        ])
        .style(style)
    });
    let head = header.into_iter().enumerate().map(|(at, text)| match at {
        3..=5 => right(text.into()),
        _ => Cell::from(text),
    });
    let table = Table::new(rows, widths)
        .header(Row::new(head).style(Style::new().add_modifier(Modifier::DIM)))
        .block(Block::new().borders(Borders::TOP));
    frame.render_widget(table, area);
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).right_aligned())
}

/// The last minute in so many columns, against its own highest.
fn sparkline(history: impl ExactSizeIterator<Item = u64>, columns: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let mut values: Vec<u64> = vec![0; REMEMBERED - history.len().min(REMEMBERED)];
    let known = history.len();
    values.extend(history);
    let highest = values.iter().copied().max().unwrap_or(0);
    let column = |at: usize| {
        let (begin, end) = (at * values.len() / columns, (at + 1) * values.len() / columns);
        if end <= values.len() - known {
            return ' ';
        }
        let value = values[begin..end].iter().copied().max().unwrap_or(0);
        // Anything at all is more than the lowest bar.
        let step = (value as u128 * 7).div_ceil(u128::from(highest.max(1)));
        BARS[step as usize]
    };
    (0..columns).map(column).collect()
}

fn draw_reasons(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let Some(chosen) = model.chosen() else {
        frame.render_widget(Block::new().borders(Borders::TOP).title(" no interface "), area);
        return;
    };
    let stages = if chosen.stages.is_empty() { "no stage".into() } else { chosen.stages.join(", ") };
    let title = format!(" {}: {stages} ", chosen.interface);
    let rows = model.reasons(chosen).into_iter().map(|(drop, reason)| {
        let style = if drop && reason.rate > 0.0 { Style::new().fg(Color::Red) } else { Style::new() };
        row(reason).style(style)
    });
    frame.render_widget(ranked("reason", rows).block(Block::new().borders(Borders::TOP).title(title)), area);
}

fn draw_rules(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let rows = model.rules().into_iter().take(usize::from(area.height)).map(row);
    let block = Block::new().borders(Borders::TOP | Borders::LEFT).title(" rules, sets and blocks ");
    frame.render_widget(ranked("rule", rows).block(block), area);
}

fn row(ranked: Ranked) -> Row<'static> {
    let cells = [Cell::from(ranked.text), right(scaled(ranked.rate)), right(ranked.packets.to_string())];
    Row::new(cells)
}

fn ranked<'a>(what: &'static str, rows: impl Iterator<Item = Row<'a>>) -> Table<'a> {
    let widths = [Constraint::Min(12), Constraint::Length(8), Constraint::Length(11)];
    let header = [Cell::from(what), right("a second".into()), right("packets".into())];
    Table::new(rows, widths).header(Row::new(header).style(Style::new().add_modifier(Modifier::DIM)))
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::commands::top::model::tests::stats;

    fn picture(model: &Model, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
        terminal.draw(|frame| draw(frame, model)).expect("memory");
        let buffer = terminal.backend().buffer();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(|y| line(y).trim_end().to_owned()).collect()
    }

    fn busy() -> Model {
        let mut model = Model::new(stats(0, &[("eth0", 0, 0), ("a-very-long-name", 0, 0)]));
        for second in 1..=60 {
            model.update(stats(
                second,
                &[("eth0", second * 1_500_000, second * 20), ("a-very-long-name", 0, 0)],
            ));
        }
        model
    }

    #[test]
    fn everything_is_in_80_by_24() {
        let picture = picture(&busy(), 80, 24);
        let wanted = [
            " ok   generation 12, 1 min 0 s old   1 block",
            "────────────────────────────────────────────────────────────────────────────────",
            "  interface        mode     packets/s    bits/s   drops/s last minute",
            "▸ eth0             native      1.50 M    1.20 G        20 ██████████████████████",
            "  a-very-long-name native           0         0         0 ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁",
            " eth0: counter, firewall ────────────┌ rules, sets and blocks ──────────────────",
            "reason           a second     packets│rule                  a second     packets",
            "unclaimed          1.50 M    89998800│drop 198.51.100.7           20        1200",
            "firewall_drop          20        1200│drop 192.0.2.1               0           5",
            "                                     │block 203.0.113.0/24         0           0",
        ];
        for (line, wanted) in picture.iter().zip(wanted) {
            assert_eq!(line, wanted, "{picture:#?}");
        }
        assert_eq!(picture[23], KEYS.trim_end());
    }

    #[test]
    fn small_and_empty_terminals_do_not_matter() {
        let mut model = busy();
        for (width, height) in [(20, 5), (1, 1), (80, 3), (300, 100)] {
            picture(&model, width, height);
        }
        model.update(stats(61, &[]));
        assert!(picture(&model, 80, 24).join("\n").contains("no interface"));
    }

    #[test]
    fn a_pause_is_seen_and_the_choice_stays_in_the_picture() {
        let names: Vec<String> = (0..30).map(|n| format!("port{n}")).collect();
        let all: Vec<(&str, u64, u64)> = names.iter().map(|name| (name.as_str(), 0, 0)).collect();
        let mut model = Model::new(stats(0, &all));
        model.paused = true;
        model.select(29);
        let picture = picture(&model, 80, 24).join("\n");
        assert!(picture.contains("paused") && picture.contains("▸ port29"), "{picture}");
    }

    #[test]
    fn bars_grow_with_what_they_show() {
        assert_eq!(sparkline([].into_iter(), 4), "    ");
        let rising: Vec<u64> = (1..=60).collect();
        assert_eq!(sparkline(rising.into_iter(), 4), "▃▅▇█");
        let late: Vec<u64> = vec![0; 15];
        assert_eq!(sparkline(late.into_iter(), 4), "   ▁");
    }
}
