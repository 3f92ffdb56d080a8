"""TLS: certificates of both sides, exchanged while the server runs; what may not be served is refused at the start."""

from __future__ import annotations

import datetime
import ipaddress
import os
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import headstart
from headstart.errors import PermissionDenied, Unauthenticated, Unavailable
from headstart_server.runtime.settings import Settings
from tests.conftest import Service


class Authority:
    """Signs certificates for 127.0.0.1 and for clients."""

    def __init__(self, name: str = "authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self._build(self._name, self._key.public_key(), authority=True)

    def sign(self, common_name: str) -> tuple[bytes, bytes]:
        """PEM of certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._build(name, key.public_key(), authority=False), secret

    def _build(self, name: x509.Name, key: ec.EllipticCurvePublicKey, authority: bool) -> bytes:

        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def authority() -> Authority:
    return Authority()


def files(authority: Authority, directory: Path) -> dict[str, Path]:
    certificate, key = authority.sign("server")
    paths = {"tls_certificate_file": directory / "server.pem", "tls_key_file": directory / "server.key"}
    paths["tls_key_file"].write_bytes(key)
    paths["tls_certificate_file"].write_bytes(certificate)
    return paths


def tasks(address: str, root: bytes, client: tuple[bytes, bytes] | None = None, **options: str) -> list[headstart.Task]:
    certificate, key = client or (None, None)
    credentials = grpc.ssl_channel_credentials(root, key, certificate)
    with headstart.connect(address, credentials=credentials, timeout=5.0, **options) as connected:
        return list(connected.list_tasks())


def test_clients_trust_the_certificate_and_a_new_one_is_taken_up(
    settings: Settings, authority: Authority, tmp_path: Path
) -> None:
    own = files(authority, tmp_path)
    service = Service(settings.model_copy(update=own), tmp_path / "serve.log").start()
    try:
        assert tasks(service.address, authority.certificate) == []
        with headstart.connect(service.address, timeout=2.0) as in_the_clear, pytest.raises(Unavailable):
            list(in_the_clear.list_tasks())
        other = Authority("other")
        with pytest.raises(Unavailable):
            tasks(service.address, other.certificate)
        time.sleep(0.05)
        files(other, tmp_path)
        assert tasks(service.address, other.certificate) == []
    finally:
        service.kill()


def test_client_certificates_open_a_namespace_with_a_role(
    settings: Settings, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    own = {**files(authority, tmp_path), "tls_client_ca_file": tmp_path / "ca.pem", "authentication": "certificate"}
    service = Service(settings.model_copy(update=own), tmp_path / "serve.log").start()
    root = authority.certificate
    try:
        writer, reader = authority.sign("team-a/writer"), authority.sign("team-a/reader")
        credentials = grpc.ssl_channel_credentials(root, writer[1], writer[0])
        with headstart.connect(service.address, credentials=credentials) as client:
            client.create_task(headstart.Task("mine", headstart.Objective("accuracy")))
        assert [task.task_id for task in tasks(service.address, root, reader)] == ["mine"]
        assert tasks(service.address, root, authority.sign("team-b/reader")) == []
        credentials = grpc.ssl_channel_credentials(root, reader[1], reader[0])
        with headstart.connect(service.address, credentials=credentials) as client, pytest.raises(PermissionDenied):
            client.create_task(headstart.Task("more", headstart.Objective("accuracy")))
        with pytest.raises(Unauthenticated, match="NAMESPACE/ROLE"):
            tasks(service.address, root, authority.sign("team-a"))
        with pytest.raises(Unavailable):
            tasks(service.address, root)
        with pytest.raises(Unavailable):
            tasks(service.address, root, Authority().sign("team-a/admin"))
    finally:
        service.kill()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"HEADSTART_GRPC_ADDRESS": "0.0.0.0:0"}, ("anybody may call", "--insecure")),
        ({"HEADSTART_TLS_KEY_FILE": "key.pem"}, ("go together",)),
        ({"HEADSTART_AUTHENTICATION": "certificate"}, ("HEADSTART_TLS_CLIENT_CA_FILE",)),
        (
            {"HEADSTART_TLS_KEY_FILE": "key.pem", "HEADSTART_TLS_CERTIFICATE_FILE": "nowhere.pem"},
            ("TLS: ", "No such file"),
        ),
    ],
)
def test_what_may_not_be_served_is_refused(
    environment: dict[str, str], words: tuple[str, ...], settings: Settings, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "headstart_server", "serve", "--metrics-address", "127.0.0.1:0"],
        env={
            **os.environ,
            "HEADSTART_DATABASE_URL": settings.database_url,
            "HEADSTART_CHROMA_URL": settings.chroma_url,
            "HEADSTART_GRPC_ADDRESS": "127.0.0.1:0",
            **environment,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert all(word in done.stderr for word in words) and "Traceback" not in done.stderr


def test_tokens_are_made_listed_and_revoked_by_command(settings: Settings) -> None:
    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "headstart_server", *arguments],
            env={**os.environ, "HEADSTART_DATABASE_URL": settings.database_url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    text = run("token", "create", "team-a", "--role", "reader", "--name", "dashboard", "--days", "30").strip()
    assert text.startswith("hst_1_")
    listed = run("token", "list")
    assert "team-a" in listed and "reader" in listed and "dashboard" in listed and text.split("_", 2)[2] not in listed
    assert "revoked" in run("token", "revoke", "1")
    assert "revoked" in run("token", "list")
    assert "experiments: 0 of 100" in run("quota", "team-a", "--experiments", "100")
    assert [line.split("  ")[3] for line in run("audit").splitlines()] == ["quota.set", "token.revoke", "token.create"]
