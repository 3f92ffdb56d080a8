"""Rewards of recorded experiments, their attribution to decisions, and the random-effects model of past rewards."""
