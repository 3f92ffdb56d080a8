"""The table of authorisation: the permission that each call needs. A call that it does not list is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class Role(IntEnum):
    """Each role may do what those before it may, except SERVICE: servers that call a predictor host, and nothing
    else.
    """

    READER = 1
    WRITER = 2
    ADMIN = 3
    SERVICE = 4


_META, _KNOWLEDGE = "headstart.v1.MetaLearningService", "headstart.v1.KnowledgeBaseService"
_PREDICTOR = "headstart.v1.PredictorService"

# WarmStart stores its suggestions, and SelectStrategy its decisions: both change later answers.
NEEDED: Mapping[str, Role] = {
    f"/{_META}/WarmStart": Role.WRITER,
    f"/{_META}/PredictPerformance": Role.READER,
    f"/{_META}/RecordExperiment": Role.WRITER,
    f"/{_META}/RecordExperiments": Role.WRITER,
    f"/{_META}/SelectStrategy": Role.WRITER,
    f"/{_META}/TransferArchitecture": Role.READER,
    f"/{_KNOWLEDGE}/CreateSearchSpace": Role.WRITER,
    f"/{_KNOWLEDGE}/GetSearchSpace": Role.READER,
    f"/{_KNOWLEDGE}/ListSearchSpaces": Role.READER,
    f"/{_KNOWLEDGE}/CreateTask": Role.WRITER,
    f"/{_KNOWLEDGE}/GetTask": Role.READER,
    f"/{_KNOWLEDGE}/ListTasks": Role.READER,
    f"/{_KNOWLEDGE}/UpdateTask": Role.WRITER,
    f"/{_KNOWLEDGE}/DeleteTask": Role.ADMIN,
    f"/{_KNOWLEDGE}/GetExperiment": Role.READER,
    f"/{_KNOWLEDGE}/ListExperiments": Role.READER,
    f"/{_KNOWLEDGE}/SearchArchitectures": Role.READER,
    f"/{_KNOWLEDGE}/SearchTasks": Role.READER,
    f"/{_KNOWLEDGE}/ListTaskClusters": Role.READER,
    f"/{_KNOWLEDGE}/GetPredictor": Role.READER,
    f"/{_KNOWLEDGE}/ExplainTask": Role.READER,
    f"/{_KNOWLEDGE}/ListDecisions": Role.READER,
    f"/{_KNOWLEDGE}/ExplainStrategies": Role.READER,
    f"/{_PREDICTOR}/Score": Role.SERVICE,
    f"/{_PREDICTOR}/Embed": Role.SERVICE,
}


def may(role: Role, method: str) -> bool:
    """Whether a role may call a method, by its full name."""
    needed = NEEDED.get(method)
    return needed is not None and role >= needed and (role is not Role.SERVICE or needed is Role.SERVICE)
