//! The kernels that guests run, and where Debian has them.

use clap::ValueEnum;

/// One kernel series. Its newest package is looked up at each run: old ones vanish from the mirrors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    V5_10,
    V6_1,
    V6_12,
    Latest,
}

/// What `--kernel` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    #[value(name = "5.10")]
    V5_10,
    #[value(name = "6.1")]
    V6_1,
    #[value(name = "6.12")]
    V6_12,
    Latest,
    All,
}

impl Choice {
    pub fn series(self) -> Vec<Series> {
        match self {
            Self::V5_10 => vec![Series::V5_10],
            Self::V6_1 => vec![Series::V6_1],
            Self::V6_12 => vec![Series::V6_12],
            Self::Latest => vec![Series::Latest],
            Self::All => Series::ALL.to_vec(),
        }
    }
}

impl Series {
    pub const ALL: [Self; 4] = [Self::V5_10, Self::V6_1, Self::V6_12, Self::Latest];

    pub fn name(self) -> &'static str {
        match self {
            Self::V5_10 => "5.10",
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
            Self::Latest => "latest",
        }
    }

    /// Archives and suites whose `linux-image-cloud-amd64` is of this series.
    pub fn suites(self) -> &'static [(Archive, &'static str)] {
        match self {
            Self::V5_10 => &[(Archive::Main, "bullseye"), (Archive::Security, "bullseye-security")],
            Self::V6_1 => &[(Archive::Main, "bookworm"), (Archive::Security, "bookworm-security")],
            Self::V6_12 => &[(Archive::Main, "trixie"), (Archive::Security, "trixie-security")],
            Self::Latest => &[(Archive::Main, "sid"), (Archive::Main, "trixie-backports")],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    Main,
    Security,
}
