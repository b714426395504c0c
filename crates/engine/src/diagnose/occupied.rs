//! Who is on the hook already.

use super::{Diagnosis, exit};
use crate::Occupant;

pub fn explain(interface: &str, occupants: &[Occupant]) -> Diagnosis {
    let who: Vec<String> = occupants.iter().map(describe).collect();
    Diagnosis::new(
        exit::CONFLICT,
        format!("{interface} already runs {}", who.join(" and ")),
        format!(
            "`senko load --replace` takes its place in one step, `senko unload {interface} --force` removes it"
        ),
    )
}

/// Everything that identifies a program, on one line.
pub fn describe(occupant: &Occupant) -> String {
    let name = match &occupant.program {
        Some(program) if !program.name.is_empty() => format!("the XDP program `{}` (", program.name),
        _ => "an XDP program (".into(),
    };
    let mut facts = vec![format!("id {}", occupant.program_id)];
    if let Some(program) = &occupant.program {
        facts.push(format!("tag {}", program.tag));
    }
    facts.push(format!("{} mode", occupant.mode));
    match occupant.link() {
        Some(link) => facts.push(format!("link {}", link.id)),
        None if occupant.links.is_empty() => facts.push("attached over netlink".into()),
        None => {}
    }
    facts.extend(occupant.pins.first().map(|pin| format!("pinned at {}", pin.display())));
    facts.extend(
        occupant.holders.iter().map(|holder| format!("held by pid {} `{}`", holder.pid, holder.command)),
    );
    format!("{name}{})", facts.join(", "))
}
