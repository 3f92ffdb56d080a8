"""The database's disks are full or slow: changes are refused as documented, reads go on, nothing acknowledged is lost,
and all is well again by itself.

The full disks are real, if small: tmpfs mounts, filled to the last byte. The slow one delays fsync and fdatasync
(tests/slow_disk.py).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import headstart
from benchmarks.reliability.faults import Promises, Sent
from headstart.spaces import sample
from headstart_server.roles.supervisor import server_answers
from headstart_server.runtime.database.engine import create_engine
from headstart_server.runtime.database.migration import migrate
from headstart_server.runtime.local.child import Child, Program
from headstart_server.runtime.local.databases import EmbeddedPostgres
from headstart_server.runtime.settings import load_settings
from tests.conftest import Service
from tests.recording_load import SPACE, SPACE_ID, TASK, RecordingLoad
from tests.slow_disk import COMPILER, SlowDisk
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts small disks (tmpfs) and fills them"),
]
QUEUE = 40
# What a service may say while its database has no room, or starts again after it had none for its log.
TOLD = {("UNAVAILABLE", "DATABASE_FULL"), ("UNAVAILABLE", "DATABASE_UNAVAILABLE")}


@dataclass(frozen=True)
class Disk:
    directory: Path

    @contextmanager
    def mounted(self, megabytes: int) -> Iterator[None]:
        self.directory.mkdir(exist_ok=True)
        options = f"size={megabytes}m,mode=711"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.directory)], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(self.directory)], check=True)

    def fill(self) -> None:
        with (self.directory / "ballast").open("ab", buffering=0) as ballast:
            for size in (2**20, 4096):
                try:
                    while True:
                        ballast.write(bytes(size))
                except OSError:
                    continue

    def free(self) -> None:
        (self.directory / "ballast").unlink(missing_ok=True)


@dataclass(frozen=True)
class Disks:
    """``data`` holds the tables, ``log`` the write-ahead log. ``postgres`` is started again when it ends.

    ``slow`` is None where there is no C compiler. ``promises`` are those of all tests: the database is one.
    """

    service: Service
    postgres: Child
    data: Disk
    log: Disk
    slow: SlowDisk | None
    promises: Promises


@pytest.fixture(scope="module")
def disks(chroma_server: str) -> Iterator[Disks]:
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="headstart-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        directory.chmod(0o711)
        data, log = Disk(directory / "data"), Disk(directory / "log")
        stack.enter_context(data.mounted(160))
        stack.enter_context(log.mounted(64))
        postgres = EmbeddedPostgres(data.directory / "postgresql")
        postgres.prepare()
        shutil.copytree(postgres.directory / "pg_wal", log.directory / "pg_wal")
        shutil.rmtree(postgres.directory / "pg_wal")
        (postgres.directory / "pg_wal").symlink_to(log.directory / "pg_wal")
        for path in [log.directory, *log.directory.rglob("*")]:
            shutil.chown(path, postgres.account().uid, postgres.account().gid)
        slow = SlowDisk(directory / "slow") if COMPILER else None
        child = stack.enter_context(kept_running(postgres, directory / "postgresql.log", slow))
        postgres.ensure_database()
        settings = load_settings(
            database_url=postgres.url(),
            chroma_url=chroma_server,
            data_directory=directory,
            grpc_address="127.0.0.1:0",
            metrics_address="127.0.0.1:0",
            shutdown_grace_seconds=2.0,
            record_queue_size=QUEUE,
        )
        engine = create_engine(settings)
        migrate(engine)
        engine.dispose()
        service = Service(settings, directory / "serve.log").start()
        stack.callback(service.kill)
        yield Disks(service, child, data, log, slow, Promises())


@contextmanager
def kept_running(postgres: EmbeddedPostgres, log: Path, slow: SlowDisk | None) -> Iterator[Child]:
    """As `up`, systemd or a container's restart policy does. The write-ahead log is short: it needs new files soon."""
    command = [*postgres.command(), "-c", "max_wal_size=32MB", "-c", "min_wal_size=32MB"]
    child = Child(
        Program(
            name="postgresql",
            command=lambda: command,
            log=log,
            stop_signal=signal.SIGINT,
            stop_seconds=30.0,
            tied=False,
            account=postgres.account(),
            environment=slow.environment if slow else {},
        )
    )
    child.start()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            child.restart_if_dead()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        wait_until(postgres.ready, what="PostgreSQL's start")
        yield child
    finally:
        over.set()
        watching.join()
        if not child.stop():
            raise AssertionError("PostgreSQL did not end by itself")


def reads(client: headstart.Client) -> None:
    assert client.get_task(TASK).task_id == TASK
    assert next(iter(client.list_experiments(TASK, SPACE_ID))).task_id == TASK


def test_full_data_disk_is_told_reads_go_on_and_nothing_acknowledged_is_lost(disks: Disks) -> None:
    with (
        RecordingLoad(disks.service.address, 8, disks.promises) as load,
        headstart.connect(disks.service.address, timeout=5) as client,
    ):
        load.goes_on()
        assert load.refusals == {}
        disks.data.fill()
        wait_until(lambda: load.refusals["UNAVAILABLE", "DATABASE_FULL"] > 20, what="a full disk")
        reads(client.with_patience(0.0))
        assert server_answers(disks.service.address)
        disks.data.free()
        load.goes_on(15)
    assert load.refusals.keys() == {("UNAVAILABLE", "DATABASE_FULL")}
    assert load.retry_seconds == {("UNAVAILABLE", "DATABASE_FULL"): 5.0}
    assert load.broken_promises(disks.service.settings.database_url) == []


def test_full_log_disk_ends_postgresql_and_all_is_well_again_when_there_is_room(disks: Disks) -> None:
    """PostgreSQL cannot go on without its write-ahead log: it panics, and fails to start while the disk is full."""
    starts = disks.postgres.starts
    with RecordingLoad(disks.service.address, 8, disks.promises) as load:
        load.goes_on()
        disks.log.fill()
        wait_until(lambda: disks.postgres.starts > starts, 60, what="PostgreSQL's end")
        wait_until(lambda: not server_answers(disks.service.address), what="NOT_SERVING")
        disks.log.free()
        load.goes_on(60)
    assert load.refusals.keys() <= TOLD, load.refusals
    assert load.refusals["UNAVAILABLE", "DATABASE_UNAVAILABLE"] > 0
    assert load.broken_promises(disks.service.settings.database_url) == []
    wait_until(lambda: server_answers(disks.service.address), what="SERVING")


@pytest.mark.skipif(COMPILER is None, reason="needs a C compiler (cc): it delays fsync by a library of its own")
def test_slow_disk_is_shared_by_many_results_and_a_full_queue_is_told(disks: Disks) -> None:
    assert disks.slow is not None
    with RecordingLoad(disks.service.address, 24, disks.promises) as load:
        load.goes_on()
        disks.slow.delay(100)
        load.goes_on()
        known, syncs, begin = load.acknowledged(), disks.slow.syncs(), time.monotonic()
        while time.monotonic() - begin < 3.0:
            assert server_answers(disks.service.address)
        acknowledged, syncs = load.acknowledged() - known, disks.slow.syncs() - syncs
        assert syncs > 3
        assert acknowledged > 3 * syncs, "each result waits for the disk alone"
        disks.slow.delay(0)
    assert load.refusals == {}
    # More than the queue takes, at once, and each transaction takes a second.
    disks.slow.delay(1000)
    answers: Counter[str] = Counter()
    with headstart.connect(disks.service.address, timeout=20) as client, ThreadPoolExecutor(3 * QUEUE) as threads:
        hasty = client.with_patience(0.0)

        def record(number: int) -> None:
            request_id, value = str(uuid.uuid4()), number / 1000
            candidate = sample(SPACE, random.Random(number))
            disks.promises.sent[request_id] = Sent(TASK, value)
            try:
                outcome = headstart.completed(value)
                answer = hasty.record(TASK, SPACE_ID, candidate, outcome, request_id=request_id)
            except headstart.ResourceExhausted as refusal:
                assert refusal.reason == "RECORD_QUEUE_FULL"
                assert refusal.retry_seconds is not None
                answers["refused"] += 1
                del disks.promises.sent[request_id]
            else:
                answers["acknowledged"] += 1
                disks.promises.told[request_id] = answer.experiment_id

        calls = [threads.submit(record, number) for number in range(3 * QUEUE)]
        wait_until(lambda: answers["refused"] > 0, what="a full queue")
        assert server_answers(disks.service.address)
        assert client.get_task(TASK).task_id == TASK
        disks.slow.delay(0)
        for call in calls:
            call.result(30)
    assert answers["acknowledged"] >= QUEUE
    assert load.broken_promises(disks.service.settings.database_url) == []
