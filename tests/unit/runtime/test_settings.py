"""Settings come from HEADSTART_*, and a wrong one is a line that names it."""

from __future__ import annotations

import pytest

from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.settings import load_settings, split_address


def test_environment_sets_what_the_caller_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_GRPC_ADDRESS", "0.0.0.0:1234")
    monkeypatch.setenv("HEADSTART_TORCH_THREADS", "3")
    settings = load_settings(grpc_address=None, torch_threads=4)
    assert (settings.grpc_address, settings.torch_threads) == ("0.0.0.0:1234", 4)


@pytest.mark.parametrize("scheme", ["postgresql://", "postgres://", "postgresql+psycopg2://"])
def test_any_usual_database_url_gets_the_installed_driver(scheme: str) -> None:
    settings = load_settings(database_url=f"{scheme}ann:pw@db:5432/headstart")
    assert settings.database_url == "postgresql+psycopg2://ann:pw@db:5432/headstart"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "sqlserver://db/headstart"),
        ("chroma_url", "localhost:8000"),
        ("grpc_address", "50051"),
        ("metrics_address", "host:99999"),
        ("training_growth", 1.0),
        ("exploration_share", 1.5),
        ("torch_threads", 0),
        ("graph_kernels", "jax"),
        ("log_level", "LOUD"),
    ],
)
def test_wrong_setting_is_one_line_naming_it(name: str, value: object) -> None:
    with pytest.raises(StartupError) as raised:
        load_settings(**{name: value})
    assert f"HEADSTART_{name.upper()}" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_empty_predictor_target_means_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_PREDICTOR_TARGET", "")
    assert load_settings().predictor_target is None


def test_addresses_split_with_and_without_brackets() -> None:
    assert split_address("[::1]:50051") == ("::1", 50051)
    assert split_address("localhost:0") == ("localhost", 0)
