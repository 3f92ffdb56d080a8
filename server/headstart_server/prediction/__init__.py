"""How good a candidate will be, without training it."""
