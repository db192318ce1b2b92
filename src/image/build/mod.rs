//! Gadget images from source: `build.yaml`, the compiler of this machine or of a builder image, the packer.

pub mod cflags;
pub mod file;
pub mod headers;

use super::error;
