//! Programs beside XDP's: classifiers, which see the kernel's own packets.

/// What of an interface a classifier sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// What comes in, behind XDP.
    Ingress,
    /// What goes out.
    Egress,
}

impl Direction {
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// As `tc` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// Our program's name inside the object and to the kernel.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Ingress => "senko_ingress",
            Self::Egress => "senko_egress",
        }
    }

    pub const fn other(self) -> Self {
        match self {
            Self::Ingress => Self::Egress,
            Self::Egress => Self::Ingress,
        }
    }
}
