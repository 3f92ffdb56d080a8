"""Keeps the connections between parts of the service on one machine away from proxies that the environment names.

Several libraries connect them (gRPC, httpx, urllib), each with rules of its own for ``no_proxy``.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_GRPC = "no_grpc_proxy"
_ALL = ("all_proxy", "ALL_PROXY")


def bypass_on_this_machine() -> None:
    """Exempt this machine from proxies, in the spellings of all libraries; child processes inherit that.

    A SOCKS proxy for everything is removed if httpx, the only library that reads it, cannot use it and would fail.
    """
    named = [os.environ.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    exceptions = dict.fromkeys(each.strip() for text in named for each in text.split(",") if each.strip())
    message = ",".join([*exceptions, *(host for host in _LOOPBACK if host not in exceptions)])
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = message
    if _GRPC in os.environ:
        os.environ[_GRPC] += "," + ",".join(_LOOPBACK)
    for name in _ALL:
        if os.environ.get(name, "").startswith("socks") and find_spec("socksio") is None:
            del os.environ[name]
