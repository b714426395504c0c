//! Labs and hosts as JSON and as a table.

use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use crate::error::LabError;
use crate::plan::{HostPlan, PREFIX_V4, PREFIX_V6};
use crate::state::{Condition, State};

/// The JSON document of `up`, and one element of that of `list`.
#[derive(Debug, Serialize)]
pub struct LabRow<'a> {
    pub name: &'a str,
    pub topology: &'static str,
    pub condition: Condition,
    pub owner_pid: i32,
    pub hosts: Vec<HostRow<'a>>,
}

#[derive(Debug, Serialize)]
pub struct HostRow<'a> {
    pub host: &'a str,
    pub namespace: &'a str,
    pub interfaces: Vec<InterfaceRow<'a>>,
}

#[derive(Debug, Serialize)]
pub struct InterfaceRow<'a> {
    pub interface: &'a str,
    pub mac: String,
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
}

impl<'a> LabRow<'a> {
    pub fn new(state: &'a State) -> Self {
        Self {
            name: &state.name,
            topology: state.topology.name(),
            condition: state.condition(),
            owner_pid: state.owner.pid,
            hosts: state.hosts.iter().map(host).collect(),
        }
    }
}

fn host(plan: &HostPlan) -> HostRow<'_> {
    let interfaces = plan.interfaces.iter().map(|i| InterfaceRow {
        interface: &i.name,
        mac: i.mac.map(|b| format!("{b:02x}")).join(":"),
        ipv4: i.addresses.map(|a| a.0),
        ipv6: i.addresses.map(|a| a.1),
    });
    HostRow { host: &plan.name, namespace: &plan.namespace, interfaces: interfaces.collect() }
}

/// One line per interface, under a heading.
pub fn host_table(state: &State) -> Vec<[String; 5]> {
    let mut rows = vec![["host", "namespace", "interface", "ipv4", "ipv6"].map(String::from)];
    for host in &state.hosts {
        for interface in &host.interfaces {
            let (v4, v6) = match interface.addresses {
                Some((v4, v6)) => (format!("{v4}/{PREFIX_V4}"), format!("{v6}/{PREFIX_V6}")),
                None => ("-".into(), "-".into()),
            };
            rows.push([host.name.clone(), host.namespace.clone(), interface.name.clone(), v4, v6]);
        }
    }
    rows
}

/// Columns as wide as their widest cell, two blanks between them.
pub fn align<const N: usize>(rows: &[[String; N]]) -> String {
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|r| r[column].len()).max().unwrap_or(0);
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

pub fn print(text: &str) -> Result<(), LabError> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader has seen enough (`| head`).
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(LabError::Output),
    }
}

pub fn print_json(value: &impl Serialize) -> Result<(), LabError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| LabError::Output(e.into()))?;
    print(&(text + "\n"))
}
