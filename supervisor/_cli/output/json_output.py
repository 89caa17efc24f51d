"""The formats `json` and `stream-json`: what a program reads from stdout.

File descriptor 1 is moved first: what tools, threads and children print goes to stderr, and only
the writer has the reader's file. So each line is whole, and the last one is the result.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final

assert sys.platform != "win32"

from supervisor._cli.output.outcome import Output
from supervisor._cli.output.own_stdout import take_stdout
from supervisor._process.last_line import SECONDS, LineWriter
from supervisor._reports import run_json
from supervisor._reports.outcome import Outcome, Status
from supervisor._reports.run_json import CHUNK, kind_of

_PACKAGES: Final = ("autogen-supervisor", "autogen-agentchat", "autogen-core")
_FULL: Final = 1 << 20
"""Bytes that may wait for the reader before the run waits, too."""
_LONGEST_FORCED: Final = 300  # characters of a text in a line that must not wait for its reader


class StreamJsonOutput(Output):
    """Writes each event as a line, as it comes.

    Args:
        so_far: Returns the outcome if the run ended now, with this status.
        on_error: Called, in a thread, when nothing more can be written.
    """

    def __init__(
        self, so_far: Callable[[Status], Outcome], on_error: Callable[[OSError], None]
    ) -> None:
        self._so_far = so_far
        self._fd = take_stdout()
        self._writer = LineWriter(
            self._fd,
            forced=lambda: self._forced("forced"),
            killed=lambda: self._forced("killed"),
            on_error=on_error,
        )

    def begin(self, name: str, task: str | None, agents: Sequence[str] = ()) -> None:
        """Write what is run, by what."""
        facts: dict[str, object] = {
            "target": name,
            "task": task,
            "agents": list(agents),
            "versions": _versions(),
            "pid": os.getpid(),
        }
        self._put(run_json.init(facts))

    def event(self, event: object) -> None:
        """Write a message or a chunk."""
        self._put(run_json.event(event))
        if kind_of(event) != CHUNK:
            self._writer.update()

    def stop(self, facts: Mapping[str, object]) -> None:
        """Write that the stop has entered a rung."""
        self._put(run_json.stop(facts))
        self._writer.update()

    @property
    def is_full(self) -> bool:
        """Whether more than a megabyte waits for the reader."""
        return self._writer.waiting > _FULL

    def end(self, outcome: Outcome) -> None:
        """Write the result; wait until the reader has taken everything."""
        self._writer.finish(run_json.line(self._result(outcome)))

    def _result(self, outcome: Outcome) -> dict[str, object]:
        return run_json.result(outcome)

    def _put(self, facts: Mapping[str, object]) -> None:
        self._writer.put(run_json.line(facts))

    def _forced(self, status: Status) -> bytes:
        facts = run_json.result(self._so_far(status)) | {"seconds": SECONDS}
        reason = facts["stop_reason"]
        if isinstance(reason, str):
            facts["stop_reason"] = reason[:_LONGEST_FORCED]
        return run_json.line(facts).rstrip(b"\n")


class JsonOutput(StreamJsonOutput):
    """Writes one line at the end: the result, with the messages.

    Args:
        so_far: As for `StreamJsonOutput`.
        on_error: As for `StreamJsonOutput`.
    """

    def __init__(
        self, so_far: Callable[[Status], Outcome], on_error: Callable[[OSError], None]
    ) -> None:
        super().__init__(so_far, on_error)
        self._transcript: list[dict[str, object]] = []

    def begin(self, name: str, task: str | None, agents: Sequence[str] = ()) -> None:
        """Write nothing."""

    def event(self, event: object) -> None:
        """Keep a message."""
        if kind_of(event) != CHUNK:
            self._transcript.append(run_json.message(event))
            self._writer.update()

    def stop(self, facts: Mapping[str, object]) -> None:  # noqa: ARG002 - the result tells
        """Write nothing."""
        self._writer.update()

    def _result(self, outcome: Outcome) -> dict[str, object]:
        return run_json.result(outcome) | {"transcript": self._transcript}


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found
