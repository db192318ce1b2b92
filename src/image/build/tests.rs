//! Tests of build.yaml, flags, messages and headers.
