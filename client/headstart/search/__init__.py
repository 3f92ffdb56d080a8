"""The reference search loop and its strategies.

``headstart.search`` is the function; import the rest by ``from headstart.search import ...``.
"""

from headstart.search.advice import Advice
from headstart.search.ask_tell import AskTell, AskTellOptimizer
from headstart.search.history import History, Trial
from headstart.search.loop import DEFAULT_STRATEGY, WARM_START, SearchResult, Step, search, search_without_service
from headstart.search.portfolio import Optimizer, default_strategies, installed_optimizers
from headstart.search.strategies import (
    GeneticAlgorithm,
    LocalSearch,
    PredictorGuidedEvolution,
    RandomSearch,
    RegularizedEvolution,
    Strategy,
)
from headstart.search.warm_started import WarmStarted

__all__ = [
    "DEFAULT_STRATEGY",
    "WARM_START",
    "Advice",
    "AskTell",
    "AskTellOptimizer",
    "GeneticAlgorithm",
    "History",
    "LocalSearch",
    "Optimizer",
    "PredictorGuidedEvolution",
    "RandomSearch",
    "RegularizedEvolution",
    "SearchResult",
    "Step",
    "Strategy",
    "Trial",
    "WarmStarted",
    "default_strategies",
    "installed_optimizers",
    "search",
    "search_without_service",
]
