"""Training of a search space's model: ``pipeline.train`` trains, validates, stores and promotes a version."""
