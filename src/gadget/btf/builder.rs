//! BTF by hand, for tests.
