//! Tests of metadata against objects.
