//! Texts of files.

use std::ops::Range;

/// A file's contents as text, without a byte order mark.
pub fn decode(mut contents: Vec<u8>) -> Result<String, NotText> {
    if contents.starts_with(b"\xef\xbb\xbf") {
        contents.drain(..3);
    }
    String::from_utf8(contents).map_err(|error| NotText {
        at: {
            let start = error.utf8_error().valid_up_to();
            start..start + char::REPLACEMENT_CHARACTER.len_utf8()
        },
        shown: String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// What is no UTF-8.
pub struct NotText {
    /// Where in `shown` the first byte stands that is none.
    pub at: Range<usize>,
    /// The text as far as it can be shown.
    pub shown: String,
}

pub const NOT_TEXT: &str = "this is no text in UTF-8";
