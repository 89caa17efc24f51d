"""The fast path: what makes a run's streamed events cheaper than AutoGen's own.

It has two parts, each with its conditions in a table. Telemetry that nobody reads is not prepared
(`upstream/telemetry.py`), and chunks take a shortcut past the runtime (`upstream/shortcut.py`).
Both are for the runtimes that AutoGen's teams make for themselves, while these work for a run. They
are removed as such a runtime ends. A runtime that the user gave, or that a tool starts, is left
alone.

Not chosen: a setting for each part. `fast_path=False` leaves AutoGen's runtimes as they are. And
what observes a runtime (a log, a tracer, an intervention handler) is noticed, and observes all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from supervisor._autogen.upstream import Shortcut, Sink, Telemetry, is_read_bare
from supervisor._core.tasks import AnyTask


class FastPath:
    """The fast path of one run, on the runtimes of its teams.

    Args:
        team: What is run.
        sink: Takes an event of the team that bypasses `run_stream`.
    """

    def __init__(self, team: object, sink: Sink) -> None:
        self._team = team
        self._sink = sink
        self._is_bare = False
        self._shortcuts: dict[int, Shortcut] = {}  # by the id() of the runtime

    def begin(self, stream: object) -> None:
        """Note the stream that the run iterates: a wrapper around it would miss an event."""
        self._is_bare = is_read_bare(stream, self._team)

    def open(self, team: Any, runtime: int, engine: AnyTask) -> None:
        """Open the fast path on a runtime that a team of the run has started.

        Args:
            team: The team.
            runtime: The `id()` of the runtime.
            engine: The task of its message loop.
        """
        sink = self._sink if team is self._team and self._is_bare else None
        telemetry, shortcut = Telemetry(team), Shortcut(team, sink)
        self._shortcuts[runtime] = shortcut
        telemetry.open()
        shortcut.open()
        engine.add_done_callback(self._closing(runtime, telemetry, shortcut))

    def note(self, task: AnyTask, runtime: int, envelope: Any) -> None:
        """Note that a message is about to be handled."""
        self._shortcuts[runtime].note(task, envelope)

    def _closing(
        self, runtime: int, telemetry: Telemetry, shortcut: Shortcut
    ) -> Callable[[AnyTask], None]:
        def close(_: AnyTask) -> None:
            shortcut.close()
            telemetry.close()
            del self._shortcuts[runtime]

        return close
