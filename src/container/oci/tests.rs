//! Command lines, annotations and states of OCI runtimes.
