//! Rules as the data path has them, in memory, against what they say.

mod cases;
mod edits;
mod fuzz;
mod props;
mod stage;
