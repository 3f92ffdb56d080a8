"""The reference search loop and its strategies.

``headstart.search`` is the function; import the rest by ``from headstart.search import ...``.
"""

from headstart.search.advice import Advice
from headstart.search.history import History, Trial
from headstart.search.loop import DEFAULT_STRATEGY, WARM_START, SearchResult, Step, search, search_without_service
from headstart.search.strategies import (
    LocalSearch,
    PredictorGuidedEvolution,
    RandomSearch,
    RegularizedEvolution,
    Strategy,
    default_strategies,
)

__all__ = [
    "DEFAULT_STRATEGY",
    "WARM_START",
    "Advice",
    "History",
    "LocalSearch",
    "PredictorGuidedEvolution",
    "RandomSearch",
    "RegularizedEvolution",
    "SearchResult",
    "Step",
    "Strategy",
    "Trial",
    "default_strategies",
    "search",
    "search_without_service",
]
