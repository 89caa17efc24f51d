"""The PostgreSQL server that the tests start themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from examples.fleet.postgres_server import PostgresServer

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

_LIMIT_SECONDS = 30
_PROGRAM = """
from examples.fleet.postgres_server import PostgresServer
with PostgresServer() as server:
    print(server.folder, flush=True)
    input()
"""


def test_answers_again_after_a_crash(postgres_server: PostgresServer, postgres_url: str) -> None:
    """It loses nothing that was committed, and listens at the same place."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (x INT)")
        postgres_server.crash()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(postgres_url)
    postgres_server.start()
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT * FROM kept").fetchall() == []


@pytest.mark.soak
def test_goes_with_a_program_that_is_killed(postgres_server: PostgresServer) -> None:
    """Neither its processes nor its folder stay."""
    child = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with child:
        assert child.stdout is not None
        folder = Path(child.stdout.readline().strip())
        postmaster = int((folder / "data/postmaster.pid").read_text().splitlines()[0])
        os.kill(child.pid, signal.SIGKILL)
    end = time.monotonic() + _LIMIT_SECONDS
    while folder.exists() or psutil.pid_exists(postmaster):
        assert time.monotonic() < end, "it is still there"
        time.sleep(0.01)
