//! The one table of every operator and exporter compiled in.
