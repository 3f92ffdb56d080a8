"""An architecture of one task made to fit another, how far that can be trusted, and how to tune it there."""
