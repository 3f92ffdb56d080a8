"""Strategies that fit a model to the history and propose where it promises most. They need the extra ``strategies``."""

from headstart.search.model_based.gaussian_process import GaussianProcess
from headstart.search.model_based.tree_ensemble import TreeEnsemble

__all__ = ["GaussianProcess", "TreeEnsemble"]
