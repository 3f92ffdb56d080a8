"""Prediction of a candidate's result without training it. The entry point is ``service``."""
