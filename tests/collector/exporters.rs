//! The exporters against real receivers.
