//! The first look at the command line, values, views.
