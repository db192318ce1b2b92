//! Credentials that are taken and refused.
