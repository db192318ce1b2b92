//! Whole gadgets.
