//! Hostile bytes, and the running kernel's answers about namespaces made here.

use std::os::fd::AsFd;

use proptest::prelude::*;

use super::message::{attributes, encode, messages};
use super::*;
use crate::kernel::netns::NetNs;

/// What is encoded is read back, with padding and nesting.
#[test]
fn messages_survive_the_way_there_and_back() {
    let inner = Attributes::default().with_text(1, "veth");
    let all = Attributes::default().with(5, &[1, 2, 3]).with_nested(18, &inner).with(6, &[]);
    let first = encode(16, CREATE, 7, &[9; 5], &all);
    let both = [first.as_slice(), &encode(3, 0, 8, &[0; 4], &Attributes::default())].concat();
    let received: Vec<_> = messages(&both).collect();
    assert_eq!(received.len(), 2);
    assert_eq!((received[0].kind, received[0].flags, received[0].sequence), (16, CREATE, 7));
    let found: Vec<_> = attributes(&received[0].contents[8..]).collect();
    assert_eq!(found, [(5, &[1u8, 2, 3][..]), (18, inner.as_bytes()), (6, &[])]);
    assert!(received[1].outcome().is_ok());
}

proptest! {
    /// Whatever bytes come, reading them ends, without a panic and with no more messages than there is room for.
    #[test]
    fn nothing_in_an_answer_harms(bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(4), Just(16), any::<u8>()], 0..200)) {
        let mut count = 0;
        for message in messages(&bytes) {
            count += 1;
            let _ = (message.outcome(), link::parse(message.contents), filter::parse(message.contents));
        }
        prop_assert!(count <= bytes.len() / 16);
        prop_assert!(attributes(&bytes).count() <= bytes.len() / 4);
        let _ = (link::parse(&bytes), filter::parse(&bytes));
    }
}

/// Does something in a new network namespace; `None` when this process may not make one.
fn in_new_namespace<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let thread = std::thread::spawn(|| {
        // SAFETY: the call changes nothing but this thread's network namespace.
        let made = unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0;
        made.then(work)
    });
    thread.join().unwrap()
}

/// A connection stays with the namespace it was opened in, and a new namespace has a loopback that is off.
#[test]
fn links_are_those_of_the_openers_namespace() {
    let Some((mut route, inside)) = in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        let links = route.links().unwrap();
        (route, links)
    }) else {
        return;
    };
    let lo = inside.iter().find(|l| l.name == "lo").unwrap();
    assert_eq!((lo.index, lo.up, lo.peer), (1, false, None));
    assert_eq!(route.links().unwrap(), inside, "also when asked from elsewhere");
    assert_eq!(route.link("lo").unwrap(), *lo);
    assert_eq!(route.link("nowhere").unwrap_err().raw_os_error(), Some(libc::ENODEV));
}

/// Namespaces that no interface connects have no ids for each other.
#[test]
fn strangers_have_no_id() {
    let ours = NetNs::of(std::process::id()).unwrap();
    let Some(id) = in_new_namespace(move || Route::open().unwrap().namespace_id(ours.as_fd()).unwrap()) else { return };
    assert_eq!(id, None);
}

/// A filter that is not there is no error: not to look for, not to remove.
#[test]
fn absent_filters_are_absent() {
    let Some(()) = in_new_namespace(|| {
        let mut route = Route::open().unwrap();
        for interface in [1, 4711] {
            let filter = Filter { interface, side: Side::Egress, handle: 1 };
            assert_eq!(route.filter(&filter).unwrap(), None);
            route.remove_filter(&filter).unwrap();
        }
    }) else {
        return;
    };
}
