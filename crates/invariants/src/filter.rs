use capture::{
    cli::FilterArgs,
    filter::{FilterError, FilterValues},
    logic, model,
};
use clap::{Args as _, Command, FromArgMatches as _};
use wire::{Frame, parse};

/// A filter as it is typed takes the frames that its model takes, and one that is refused could not have taken any. The
/// filter is the first line, and what is behind it a frame.
pub fn filter(bytes: &[u8]) {
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..line]);
    let frame = bytes.get(line + 1..).unwrap_or_default();
    let command = FilterArgs::augment_args(Command::new("dump").no_binary_name(true));
    let Ok(matches) = command.try_get_matches_from(text.split_whitespace()) else { return };
    let args = FilterArgs::from_arg_matches(&matches).expect("clap has looked at them");
    let values = FilterValues::from_args(&args);
    if !model::knows(&args) {
        return;
    }
    match values {
        Ok(values) => {
            let mut copy = frame.to_vec();
            let copy = Frame::new(&mut copy);
            let wanted = match parse(&copy, frame.len() as u64) {
                Ok(headers) => logic::wanted(&copy, &headers, &values),
                Err(_) => logic::wants_malformed(&values),
            };
            assert_eq!(wanted, model::captured(&args, frame), "{text}");
        }
        Err(FilterError::UnknownProtocol(name)) => panic!("the model knows {name}"),
        Err(error) => assert!(!model::captured(&args, frame), "{text}: {error}"),
    }
}
