"""Serving of trained models: ``current_models.ServingModels`` picks the version of a space and scores with it."""
