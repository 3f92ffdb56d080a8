"""Hosts of their own on this machine: network namespaces, and the links (veth pairs) that lead to them."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def missing() -> str:
    """What this machine lacks for it; empty where it lacks nothing."""
    if os.geteuid() != 0:
        return "needs root: it makes network namespaces"
    if shutil.which("ip") is None:
        return "needs the command ip (iproute2)"
    probe = f"hs-{uuid.uuid4().hex[:8]}"
    if subprocess.run(["ip", "netns", "add", probe], check=False, capture_output=True).returncode != 0:
        return "needs network namespaces, which this kernel or container refuses"
    ip("netns", "delete", probe)
    return ""


@dataclass(frozen=True)
class Link:
    """``near`` is this machine's address, ``far`` the other host's. While an end is down packets are lost without a
    word."""

    near: str
    far: str
    near_device: str
    far_device: str
    host: str

    def near_end(self, state: str) -> None:
        ip("link", "set", self.near_device, state)

    def far_end(self, state: str) -> None:
        ip("-netns", self.host, "link", "set", self.far_device, state)


@contextmanager
def host_with_links(subnets: list[str]) -> Iterator[tuple[str, list[Link]]]:
    """The namespace's name, and a link for each subnet, named by its first three numbers ("10.213.1")."""
    mark = uuid.uuid4().hex[:6]
    host = f"hs-{mark}"
    with ExitStack() as stack:
        ip("netns", "add", host)
        # Its ends of the links go with it, and so do ours.
        stack.callback(ip, "netns", "delete", host)
        ip("-netns", host, "link", "set", "lo", "up")
        links = []
        for number, subnet in enumerate(subnets):
            link = Link(f"{subnet}.1", f"{subnet}.2", f"hs{mark}n{number}", f"hs{mark}f{number}", host)
            pair = ["type", "veth", "peer", "name", link.far_device, "netns", host]
            ip("link", "add", link.near_device, *pair)
            stack.callback(_remove, link)
            ip("address", "add", f"{link.near}/24", "dev", link.near_device)
            ip("-netns", host, "address", "add", f"{link.far}/24", "dev", link.far_device)
            link.near_end("up")
            link.far_end("up")
            links.append(link)
        yield host, links


def _remove(link: Link) -> None:
    # A namespace lives as long as a process in it, and its links with it.
    subprocess.run(["ip", "link", "delete", link.near_device], check=False, capture_output=True)
