//! Flows: what is sent and what answers it have one key, and the table remembers and forgets.

mod keys;
mod table;
