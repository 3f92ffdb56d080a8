"""Bandit: Thompson sampling over arms, and over the settings of an arm."""
