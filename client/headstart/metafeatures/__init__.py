"""Meta-features: numbers and words that describe a task's data, computed where the data is.

Only these leave the worker; they go into a ``Task``, and the service finds tasks with like data by them. What each name
means stands in ``names``, and with units in docs/meta_features.md. After Vanschoren, "Meta-learning: a survey", 2018,
section 3, in the groups of Rivolli et al., "Meta-features for meta-learning", 2022 (simple, statistical, information
theoretic, model based and landmarking), with groups of their own for images and graphs.
"""

from headstart.metafeatures.description import Description, describe
from headstart.metafeatures.names import NAMES, WORDS

__all__ = ["NAMES", "WORDS", "Description", "describe"]
