//! Names of registries, and passwords from standard input.
