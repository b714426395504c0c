//! The same table for a user's own objects.

use std::{fs, path::Path};

use engine::{LoadChoices, ObjectFile};

use super::{
    frames, measure,
    report::{Report, Row},
};
use crate::failure::Failure;

const ANYBODY: [u8; 6] = [0x02, 0, 0, 0, 0, 2];

pub fn run(report: &mut Report, path: &Path) -> Result<(), Failure> {
    let name = path.display();
    let elf =
        fs::read(path).map_err(|error| Failure::failed(format!("cannot read {name}: {error}"), None))?;
    let programs = ObjectFile::parse(&elf)?.xdp_programs();
    if programs.is_empty() {
        return Err(engine::Error::NoProgram(format!(": {name}")).into());
    }
    for program in programs {
        let choices = LoadChoices { programs: vec![program.clone()], ..LoadChoices::default() };
        let object = ObjectFile::parse(&elf)?.load(&choices)?;
        let loaded = object.program(&program)?;
        for (kind, frame) in [("UDP, IPv4", frames::udp_v4(ANYBODY)), ("UDP, IPv6", frames::udp_v6(ANYBODY))]
        {
            let (floor, ns) = measure::in_turn(&[loaded], &frame)?;
            report.push(Row::over_floor(format!("{name}: {program} ({kind})"), ns[0], floor, None));
        }
    }
    Ok(())
}
