//! What the guests reported, in the repository: docs/kernels.md and the budgets of programs.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use xtask::command::root;

use super::{features, report::Report};

/// Costs by program, then by kernel, as `crates/engine/tests/budgets.rs` writes them.
type Budgets = BTreeMap<String, BTreeMap<String, [u64; 4]>>;

fn kernels() -> PathBuf {
    root().join("docs/kernels.md")
}

fn budgets() -> PathBuf {
    root().join("crates/engine/tests/budgets.toml")
}

/// Holds docs/kernels.md against the reports of all kernels.
pub fn check(reports: &[(&str, &Report)]) -> Result<()> {
    let table = features::table(reports)?;
    let written = fs::read_to_string(kernels()).unwrap_or_default();
    let differ = table.lines().find(|line| !written.lines().any(|other| other == *line));
    match differ {
        None if table == written => Ok(()),
        line => bail!(
            "docs/kernels.md is not what the kernels say{}: run `cargo xtask vm --write`",
            line.map(|line| format!("\n  {line}")).unwrap_or_default()
        ),
    }
}

pub fn write_kernels(reports: &[(&str, &Report)]) -> Result<()> {
    fs::write(kernels(), features::table(reports)?)?;
    eprintln!("xtask: wrote docs/kernels.md");
    Ok(())
}

/// Writes the columns of these kernels.
pub fn write_budgets(reports: &[(&str, &Report)]) -> Result<()> {
    let text = fs::read_to_string(budgets())?;
    let mut table: Budgets = toml::from_str(&text).context("budgets.toml")?;
    for (kernel, report) in reports {
        let own =
            report.files.get("budgets.toml").with_context(|| format!("{kernel} sent no budgets.toml"))?;
        merge(&mut table, kernel, toml::from_str(own).context("a guest's budgets.toml")?);
    }
    let comment: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
    fs::write(budgets(), format!("{}\n\n{}", comment.join("\n"), toml::to_string(&table)?))?;
    eprintln!("xtask: wrote crates/engine/tests/budgets.toml");
    Ok(())
}

/// A kernel's column is replaced whole.
fn merge(table: &mut Budgets, kernel: &str, own: Budgets) {
    for row in table.values_mut() {
        row.remove(kernel);
    }
    for (program, costs) in own {
        table.entry(program).or_default().extend(costs);
    }
    table.retain(|_, row| !row.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_replaced_and_the_others_stay() {
        let mut table: Budgets = toml::from_str(
            "[a]\n\"5.10\" = [1, 1, 1, 1]\n\"6.1\" = [2, 2, 2, 2]\n[b]\n\"5.10\" = [3, 3, 3, 3]\n",
        )
        .expect("a table");
        let own =
            toml::from_str("[a]\n\"5.10\" = [4, 4, 4, 4]\n[c]\n\"5.10\" = [5, 5, 5, 5]\n").expect("a table");
        merge(&mut table, "5.10", own);
        let expected =
            "[a]\n\"5.10\" = [4, 4, 4, 4]\n\"6.1\" = [2, 2, 2, 2]\n\n[c]\n\"5.10\" = [5, 5, 5, 5]\n";
        assert_eq!(toml::to_string(&table).expect("a table"), expected);
    }
}
