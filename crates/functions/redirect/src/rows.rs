//! Rows: frames by what became of them, and frames that the kernel lost behind our back.

use serde::Serialize;

/// One row of `senko redirect --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Seconds since 1970.
    pub time: f64,
    /// Where the frames came in; of an error, where the kernel noticed it.
    pub interface: String,
    /// An `abi::Reason`, or `error`.
    pub reason: &'static str,
    /// The errno's name, of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Since the start.
    pub packets: u64,
    /// The kernel does not tell the bytes of what it loses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of a row's fields are promised in docs/json.md.
    #[test]
    fn the_json_row_is_stable() {
        let row = Row {
            time: 1764000000.5,
            interface: "veth0".into(),
            reason: "redirect_port",
            error: None,
            packets: 3,
            bytes: Some(294),
        };
        let error =
            Row { reason: "error", error: Some("ENXIO".into()), packets: 2, bytes: None, ..row.clone() };
        let line = |row: &Row| serde_json::to_string(row).expect("plain data");
        assert_eq!(
            [line(&row), line(&error)],
            [
                r#"{"time":1764000000.5,"interface":"veth0","reason":"redirect_port","packets":3,"bytes":294}"#,
                r#"{"time":1764000000.5,"interface":"veth0","reason":"error","error":"ENXIO","packets":2}"#,
            ]
        );
    }
}
