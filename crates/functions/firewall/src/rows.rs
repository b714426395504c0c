//! Rows of hits.

use serde::{Deserialize, Serialize};

use crate::list::Verdict;

/// One row of `senko firewall --json` and of `senko firewall IFACE list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Seconds since 1970.
    pub time: f64,
    /// Where the prefix stands: `--drop`, `--allow`, a file's path, or `added`.
    pub list: String,
    /// `null`: the row is of a whole list.
    pub prefix: Option<String>,
    pub action: Verdict,
    /// Prefixes that the row counts for.
    pub prefixes: usize,
    /// Frames from the prefix, and their bytes, since the start.
    pub packets: u64,
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of a row's fields are promised in docs/json.md.
    #[test]
    fn the_json_row_is_stable() {
        let row = Row {
            time: 1764000000.5,
            list: "--drop".into(),
            prefix: Some("192.0.2.0/24".into()),
            action: Verdict::Drop,
            prefixes: 1,
            packets: 3,
            bytes: 294,
        };
        assert_eq!(
            serde_json::to_string(&row).expect("plain data"),
            r#"{"time":1764000000.5,"list":"--drop","prefix":"192.0.2.0/24","action":"drop","prefixes":1,"packets":3,"bytes":294}"#
        );
    }
}
