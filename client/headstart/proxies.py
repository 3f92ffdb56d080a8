"""Decides what an address is, and whether a connection to it goes through a proxy that the environment names.

gRPC reads ``grpc_proxy``, ``https_proxy`` and ``http_proxy``, and ``no_proxy`` in small letters only. A service on this
machine is never behind a proxy, and ``NO_PROXY`` counts in capitals too.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from headstart.spaces.validation import InvalidInput, Violation

_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_EXCEPTIONS = ("no_grpc_proxy", "NO_GRPC_PROXY", "no_proxy", "NO_PROXY")
# gRPC's names without host and port.
_NAMED = re.compile(r"^(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds|passthrough):")
_SCHEME = re.compile(r"^(?:dns:(?://[^/]*/)?|ipv4:|ipv6:|passthrough:///)")


def channel_options(target: str) -> list[tuple[str, int]]:
    """Options of a gRPC channel that bypass proxies where they do not apply."""
    return [] if proxy_of(target) else [("grpc.enable_http_proxy", 0)]


def proxy_of(target: str) -> str:
    """The proxy on the way to a gRPC target, with the variable that sets it, for people; empty without one."""
    named = next((name for name in _PROXIES if os.environ.get(name)), None)
    hosts = list(_hosts(target))
    if named is None or not hosts or all(_is_direct(host) for host in hosts):
        return ""
    # Without a user name and password.
    return f"{os.environ[named].rpartition('@')[2]} of {named}"


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _hosts(target: str) -> Iterator[str]:
    """The hosts of "host:port" and of gRPC's names; none for a socket file."""
    if target.startswith(("unix:", "unix-abstract:", "vsock:")):
        return
    for address in _SCHEME.sub("", target).split(","):
        try:
            yield urlsplit(f"//{address}").hostname or ""
        except ValueError:
            yield ""


def _is_direct(host: str) -> bool:
    if is_loopback(host):
        return True
    exceptions = next((os.environ[name] for name in _EXCEPTIONS if os.environ.get(name)), "")
    return any(_matches(host, each.strip().lower()) for each in exceptions.split(",") if each.strip())


def _matches(host: str, exception: str) -> bool:
    if exception == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(exception, strict=False)
    except ValueError:
        name = exception.lstrip("*").lstrip(".")
        return host == name or host.endswith(f".{name}")


def require_address(target: str) -> None:
    """Raises InvalidInput for likely mistakes: a URL, or a host without a port."""
    scheme = re.match(r"^(https?|grpcs?|tcp)://([^/]*)", target)
    if scheme:
        problem = f"is a URL: write HOST:PORT, {scheme[2] or '127.0.0.1:50051'} here"
    elif "://" not in target and not _NAMED.match(target) and not re.search(r"(^|[^:]|\]):\d+$", target):
        problem = f"names no port: write HOST:PORT, {target or '127.0.0.1'}:50051 for the usual one"
    else:
        return
    raise InvalidInput([Violation("address", f"{target!r} {problem}")])
