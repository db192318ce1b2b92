//! Any bytes as a store's `index.json`: every question ends in an answer, and searching its text agrees with parsing it.
#![no_main]

use gadgetry::image::layout::name_of;
use gadgetry::image::store::listing::Listing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let listing = Listing::of(bytes.to_vec());
    let (found, _) = (listing.named("a/b:c"), listing.nameless());
    if let Ok(all) = listing.all() {
        let listed = all.iter().any(|root| name_of(root) == Some("a/b:c"));
        assert_eq!(found.ok().map(|root| root.is_some()), Some(listed));
    }
});
