//! Gadget images from source: `build.yaml`, the compiler of this machine or of a builder image, the packer.
