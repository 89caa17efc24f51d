"""Runs that are kept in a web server: they go on in another process."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any, cast

import pytest

from supervisor import Supervisor, checkpoints
from tests.checkpoints.web_app import make_team
from tests.hosts.clients import Connection
from tests.hosts.servers import start

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


def _command(_app: str, port: int) -> list[str]:
    return ["uvicorn", "tests.checkpoints.web_app:app", "--port", str(port)]


def test_a_run_of_a_request_goes_on_elsewhere(tmp_path: Path) -> None:
    """A client that leaves and a server that stops leave runs at rest, with what they have said."""
    path = tmp_path / "runs.db"
    with start(_command, "", variables={"RUNS": str(path), "WAIT": "1"}) as server:
        with Connection(server.port) as left:
            left.request("/run/left")
            server.wait_for("waiting")
        server.wait_for("left: The client has disconnected")
        with Connection(server.port) as cut:
            cut.request("/run/cut")
            server.wait_for("waiting", times=2)
            server.signal(signal.SIGTERM)
            server.wait_for("cut: Stopped by SIGTERM")
            server.wait()
    with checkpoints.open(f"sqlite:///{path}") as runs:
        assert {(run.id, str(run.status), run.turn) for run in runs.list()} == {
            ("left", "stopped", 1),
            ("cut", "stopped", 1),
        }
    assert asyncio.run(_go_on(path)) == ["after 2", "after 2"]


async def _go_on(path: Path) -> list[Any]:
    async with Supervisor(signals={}, checkpoints=f"sqlite:///{path}") as sup:
        results = [await sup.stream(make_team(), "Talk", id=name) for name in ("left", "cut")]
    return [cast(Any, result.messages[2]).content for result in results]
