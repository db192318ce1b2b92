//! Fields of structs.
