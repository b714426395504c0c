//! aya-obj slices and unwraps on damaged objects. A user's broken file must not look like our crash, so its panics
//! become errors, without the message and backtrace that a panic prints.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use crate::Error;

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `read`; a panic inside means that the object is damaged. What `read` was changing must not be used after.
pub fn damaged_if_panics<T>(read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !SILENT.get() {
                usual(info);
            }
        }));
    });
    let before = SILENT.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(read));
    SILENT.set(before);
    result.unwrap_or_else(|_| Err(Error::Object("damaged: its tables contradict each other".into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let result: Result<(), Error> = damaged_if_panics(|| panic!("index out of range"));
        assert!(matches!(result, Err(Error::Object(_))), "{result:?}");
        assert_eq!(damaged_if_panics(|| Ok(1)).ok(), Some(1));
    }
}
