"""The parts of a service on one machine reach each other whatever proxies the environment names."""

from __future__ import annotations

import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex
from headstart_server.runtime.local.databases import chroma_answers
from headstart_server.runtime.proxies import bypass_on_this_machine


class _Heart(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
@pytest.mark.parametrize("name", ["http_proxy", "all_proxy", "ALL_PROXY"])
def test_chroma_on_this_machine_is_reached(monkeypatch: pytest.MonkeyPatch, name: str, proxy: str) -> None:
    for each in ("no_proxy", "NO_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(each, "")
    monkeypatch.setenv(name, proxy if name != "http_proxy" else "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "lab.example")
    server = HTTPServer(("127.0.0.1", 0), _Heart)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        bypass_on_this_machine()
        url = f"http://127.0.0.1:{server.server_port}"
        assert chroma_answers(url)
        ArchitectureIndex(url)._hear()
    finally:
        server.shutdown()
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == "lab.example,127.0.0.1,localhost,::1"
