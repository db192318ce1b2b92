//! How errors and counts are written.

use clap::CommandFactory;

use super::{Cli, exit, is_of_ig, ledger, with_images};
use crate::image::ImageError;
use crate::image::trust::TrustError;

#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Link {
    text: &'static str,
    source: Option<Box<Link>>,
}

fn chained(texts: &[&'static str]) -> String {
    let link = texts.iter().rev().fold(None, |source, text| Some(Box::new(Link { text, source })));
    exit::chain(&*link.unwrap())
}

#[test]
fn an_error_is_followed_by_its_causes_each_once() {
    assert_eq!(chained(&["open x", "permission denied"]), "open x: permission denied");
    assert_eq!(chained(&["read filter: bad level", "bad level", "line 3"]), "read filter: bad level: line 3");
}

#[test]
fn numbers_have_their_thousands_apart() {
    assert_eq!([0, 999, 1000, 1_234_567].map(ledger::grouped), ["0", "999", "1,000", "1,234,567"]);
}

/// Flags in front of a command, and their values, are not the command.
#[test]
fn commands_of_ig_are_told_from_others() {
    let is = |line: &str| is_of_ig(&line.split(' ').map(Into::into).collect::<Vec<_>>());
    for line in [
        "gadgetry run",
        "gadgetry --log-level debug image ls",
        "gadgetry --log-format=json login",
        "gadgetry --log-level info -x logout",
        "gadgetry list-containers -w",
    ] {
        assert!(is(line), "{line}");
    }
    for line in ["gadgetry", "gadgetry --log-level run", "gadgetry --log-level run collect", "gadgetry validate run", "gadgetry --version"]
    {
        assert!(!is(line), "{line}");
    }
}

/// Only a missing or bad signature has a way on.
#[test]
fn refusals_say_what_helps() {
    let refused = |source: TrustError| ImageError::Refused { reference: "x".to_owned(), source: source.into() };
    let reference = || "x".to_owned();
    assert!(exit::way_on(&refused(TrustError::Unsigned { reference: reference() })).is_some_and(|hint| !hint.contains('\n')));
    assert!(exit::way_on(&refused(TrustError::Unverified { reference: reference(), reasons: Vec::new() })).is_some());
    assert!(exit::way_on(&refused(TrustError::NoVerifier { reference: reference() })).is_some());
    assert!(exit::way_on(&refused(TrustError::NotAllowed { reference: reference(), allowed: Vec::new() })).is_none());
    assert!(exit::way_on(&ImageError::PullingDisallowed { reference: reference() }).is_none());
}

/// Shells complete what is built in wherever an image is named that may be.
#[test]
fn images_are_completed() {
    let command = with_images(Cli::command());
    let image = command.find_subcommand("image").unwrap();
    let values = |command: &clap::Command, name: &str| {
        let argument = command.get_arguments().find(|argument| argument.get_id() == name).unwrap();
        argument.get_possible_values().iter().any(|value| value.get_name() == "trace_open")
    };
    assert!(values(command.find_subcommand("run").unwrap(), "image"));
    for (name, argument) in [("inspect", "image"), ("tag", "source"), ("export", "images"), ("verify", "image")] {
        assert!(values(image.find_subcommand(name).unwrap(), argument), "{name}");
    }
}
