//! Taking over a table that another process built and changed, from the arrays that packets still read.

use crate::address::Address;
use crate::arrays::Arrays;
use crate::compile::Exhausted;
use crate::entry::Node;
use crate::plan::{ListError, ROOT_NODES, check, for_each_chunk};
use crate::span::Prefix;
use crate::table::Table;
use crate::walk::{Foreign, Reader};

/// Arrays that cannot be adopted: build anew, in others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdoptError {
    List(ListError),
    /// They hold something that is no table.
    Foreign,
}

impl std::fmt::Display for AdoptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::List(error) => error.fmt(f),
            Self::Foreign => write!(f, "the arrays hold no prefix table; build one in new arrays"),
        }
    }
}

impl std::error::Error for AdoptError {}

impl<A, N, L> Table<A, N, L>
where
    A: Address,
    N: AsRef<[Node]> + AsMut<[Node]>,
    L: AsRef<[A::Line]> + AsMut<[A::Line]>,
{
    /// Takes over arrays in which a table for `list` was built and changed, and whose writer is gone. Nothing is written:
    /// packets may be reading. What the root does not lead to is free, so every packet that was being looked up when the
    /// writer went must be finished before the first change, as for [`quiesce`](Self::quiesce).
    ///
    /// A change that was broken off is completed by [`refresh`](Self::refresh) of its prefix, which must be the next call.
    /// [`answers`](Self::answers) tells whether the arrays are the list's then.
    pub fn adopt(list: &[(Prefix<A>, u32)], nodes: N, lines: L) -> Result<Self, AdoptError> {
        check(list).map_err(AdoptError::List)?;
        if nodes.as_ref().len() < ROOT_NODES as usize {
            return Err(AdoptError::Foreign);
        }
        let reader = Reader { nodes: nodes.as_ref(), lines: lines.as_ref() };
        let reached = reader.reached().map_err(|Foreign| AdoptError::Foreign)?;
        let arrays = Arrays::adopted(nodes, lines, &reached);
        Ok(Self { arrays, prefixes: list.iter().copied().collect() })
    }

    /// Whether every address is answered as `list` has it. Compares ranges, not addresses: about as fast as building.
    pub fn answers(&self, list: &[(Prefix<A>, u32)]) -> bool {
        let reader = self.arrays.reader::<A>();
        let mut answers = Vec::new();
        let same = |number: usize, chunk, intervals: &[_]| {
            answers.clear();
            let entry = reader.nodes[number >> 8].0[number & 0xff];
            let read = reader.answers(entry, chunk, &mut answers);
            if read.is_ok() && answers == intervals { Ok(()) } else { Err(Exhausted) }
        };
        check(list).is_ok() && for_each_chunk(list, same).is_ok()
    }
}
