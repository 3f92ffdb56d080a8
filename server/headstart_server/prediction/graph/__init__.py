"""The graph network of a search space and its trained model. The entry point is ``model``."""
