//! The golden vectors on the host: from the command line to the decision, and the model beside it.

use capture::{cli::FilterArgs, filter::FilterValues, logic, model};
use clap::Parser as _;
use testkit::vectors::{CaptureConfig, CaptureResult, load};
use wire::{Frame, parse};

#[derive(Debug, clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    filter: FilterArgs,
}

#[test]
fn every_vector_is_captured_or_not_as_it_says() {
    for vectors in load::<CaptureConfig, CaptureResult>("capture") {
        let typed = ["dump".to_owned()].into_iter().chain(vectors.config.filter);
        let args = CommandLine::try_parse_from(typed).expect("arguments of senko dump").filter;
        let filter = FilterValues::from_args(&args).expect("a filter that can match");
        for packet in &vectors.packets {
            let place = format!("{}: {}", vectors.file, packet.name);
            let mut copy = packet.input.clone();
            let frame = Frame::new(&mut copy);
            let captured = match parse(&frame, packet.input.len() as u64) {
                Ok(headers) => logic::wanted(&frame, &headers, &filter),
                Err(_) => logic::wants_malformed(&filter),
            };
            assert_eq!(captured, packet.result.captured, "{place}");
            assert_eq!(
                model::captured(&args, &packet.input),
                packet.result.captured,
                "{place}, by the model"
            );
        }
    }
}
