//! Files with credentials.
