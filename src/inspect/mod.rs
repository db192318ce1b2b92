//! What can be told of an image without running it: documents, sections, programs with their source, maps, variables, diagrams.
