"""Workers of a fleet as processes of their own, on a store of their own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from typing import TypeVar

from supervisor._checkpoints.store import CheckpointStore, RunInfo
from supervisor._checkpoints.urls import open_store
from tests.checkpoints import fleet_teams
from tests.process.harness import Child, Server

T = TypeVar("T")

LEASE = 2.0  # seconds, and so the heartbeat, too
PATIENCE = 45.0  # seconds for what will come unless something hangs


class Fleet:
    """Workers, and their store.

    Args:
        server: Forks them.
        url: The URL of the store.
        ends: Where the children are ended.
        turn_seconds: How long a turn takes.
        messages: How many messages a run has.
    """

    def __init__(
        self,
        server: Server,
        url: str,
        ends: contextlib.ExitStack,
        *,
        turn_seconds: float,
        messages: int,
    ) -> None:
        self.url = url
        self._server = server
        self._ends = ends
        self._environ = {
            fleet_teams.TURN_SECONDS: str(turn_seconds),
            fleet_teams.MESSAGES: str(messages),
        }
        self.children: list[Child] = []
        self.store: CheckpointStore = open_store(url)
        self.store.setup()
        ends.callback(self.store.close)

    def start(self, *words: str, team: str = "talkers") -> Child:
        """Start a worker, and wait until it is at work."""
        worker = self.command("work", _target(team), "--lease", str(LEASE), *words)
        self.until(lambda: "at work on" in worker.stderr)
        return worker

    def submit(self, run_id: str, team: str = "talkers") -> None:
        """Put a run there, as a user does."""
        self.do("submit", _target(team), "Talk", "--id", run_id)

    def do(self, *words: str) -> None:
        """Have a command do something."""
        child = self.command(*words)
        assert child.wait(PATIENCE) == 0, child.story()

    def command(self, *words: str) -> Child:
        """Start a command on the store."""
        call = [*words, "--checkpoints" if words[0] == "cancel" else "--store", self.url]
        context = self._server.start("command_line", words=call, environ=self._environ)
        child = self._ends.enter_context(context)
        self.children.append(child)
        return child

    def until_status(self, run_id: str, status: str) -> RunInfo:
        """Wait until a run has a status."""

        def found() -> RunInfo | None:
            info = self.store.info(run_id)
            return info if info.status == status else None

        return self.until(found)

    def until(self, find: Callable[[], T | None], pause: float = 0.02) -> T:
        """Wait for what nothing tells of, and return it."""
        deadline = time.monotonic() + PATIENCE
        while not (found := find()):
            assert time.monotonic() < deadline, self.story()
            time.sleep(pause)
        return found

    def story(self) -> str:
        """Return what is known, for the message of a failed test."""
        return "\n".join([f"{self.store.list()}", *(child.story() for child in self.children)])


@contextlib.contextmanager
def fleet(
    server: Server, url: str, turn_seconds: float = 0.05, messages: int = 1_000_000
) -> Generator[Fleet]:
    """Make a fleet, without a worker yet."""
    with contextlib.ExitStack() as ends:
        yield Fleet(server, url, ends, turn_seconds=turn_seconds, messages=messages)


def _target(team: str) -> str:
    return f"tests.checkpoints.fleet_teams:{team}"
