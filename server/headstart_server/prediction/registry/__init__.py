"""Versions of trained models in the database, and their artefacts."""
