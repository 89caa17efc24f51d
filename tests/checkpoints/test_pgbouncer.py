"""The store in PostgreSQL through PgBouncer, which gives each transaction another connection."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from supervisor._checkpoints.postgres import postgres_store
from tests.checkpoints.racers import LOG, NEW, turn_of

pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not shutil.which("pgbouncer"), reason="pgbouncer is not installed"),
]

_SETTINGS = """
[databases]
{name} = host=127.0.0.1 port={target} dbname={name}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = 2
"""


@pytest.fixture(params=["session", "transaction"])
def pooled_url(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[str]:
    """Return the URL of an empty database, through a pool of two connections."""
    parts = urlsplit(postgres_url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder:
        Path(folder).chmod(0o755)
        name, target = parts.path[1:], parts.port
        text = _SETTINGS.format(
            name=name, target=target, port=port, folder=folder, mode=request.param
        )
        Path(folder, "users").write_text(f'"{parts.username}" "{parts.password}"\n')
        Path(folder, "settings").write_text(text)
        pooler = subprocess.Popen(
            ["pgbouncer", "-q", f"{folder}/settings"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user="nobody" if os.geteuid() == 0 else None,
        )
        try:
            _wait_until_it_listens(port)
            yield postgres_url.replace(f":{target}/", f":{port}/")
        finally:
            pooler.send_signal(signal.SIGTERM)
            pooler.wait(30)


def _wait_until_it_listens(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < end, "it does not listen"
            time.sleep(0.01)
        else:
            return


def test_more_stores_than_connections(pooled_url: str, postgres_url: str) -> None:
    """Each writes its run, and no setting of a store is left to somebody else."""
    failures = list[BaseException]()

    def write(run: str) -> None:
        store = postgres_store(pooled_url)
        try:
            store.setup()
            fence = store.acquire(run, run, 30, new=NEW).fence
            assert fence is not None
            for turn in range(1, 6):
                store.commit(run, fence, turn_of(run, fence, turn))
                assert not store.renew(run, {run: fence}, 30).lost
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)
        store.close()

    threads = [threading.Thread(target=write, args=(f"run-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    store = postgres_store(postgres_url)
    assert [len(store.load(info.id).logs[LOG]) for info in store.list()] == [5] * 6
    store.close()
    with psycopg.connect(pooled_url, autocommit=True, prepare_threshold=None) as other:
        assert other.execute("SHOW lock_timeout").fetchone() == ("0",)
