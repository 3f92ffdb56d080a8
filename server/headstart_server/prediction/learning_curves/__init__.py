"""Forecasts where a partial learning curve will end."""
