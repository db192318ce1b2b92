//! The watching program on the real kernel.
