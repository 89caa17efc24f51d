"""What a supervisor shows of itself and of its stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from supervisor._core.errors import UsageError
from supervisor._core.events import Rung, StopRequest
from supervisor._core.settings import Ladder
from supervisor._process.exit import exit_status
from supervisor._supervisor.parts import Parts

if TYPE_CHECKING:
    from supervisor._autogen.adapter import Runnable


class SupervisorView:
    """A supervisor, as those see it who only look at it."""

    _parts: Parts

    def __repr__(self) -> str:
        return repr(self._parts.scope)

    @property
    def ladder(self) -> Ladder:
        """The seconds of each rung that are in force."""
        return self._parts.stop.ladder

    @property
    def rung(self) -> Rung:
        """How far the stop has gone."""
        return self._parts.stop.rung

    @property
    def stop_request(self) -> StopRequest | None:
        """The first request to stop: reason, signal, time. None while running."""
        return self._parts.stop.request

    @property
    def quarantined(self) -> tuple[Runnable, ...]:
        """The teams that refused to stop; they cannot be used until they have ended."""
        found = (run.quarantined for run in list(self._parts.scope.runs))
        return tuple(cast("Runnable", thing) for thing in found if thing is not None)

    @property
    def exit_status(self) -> int:
        """The status to end the process with: 128 + n if signal n has stopped it, else 0."""
        request = self.stop_request
        return 0 if request is None or request.signal is None else exit_status(request.signal)

    def dump(self) -> str:
        """Return a report, for a person, of what is at work now.

        It shows each run, each task with its stack, and the stack of each thread. Nothing is
        written anywhere.
        """
        return self._parts.report.dump()

    async def wait_stop(self) -> StopRequest:
        """Wait until a stop is requested.

        A body that waits here is not cancelled at CANCEL: it knows of the stop, and has until
        ABANDON to end in order.

        Raises:
            UsageError: Called outside the block.
        """
        scope = self._parts.scope
        scope.check_open("wait_stop()")
        assert scope.body is not None, "the block is open"
        scope.body.note_that_it_knows()
        return await scope.announcement.wait()

    def on_stop(self, callback: Callable[[StopRequest], object]) -> None:
        """Call a function in the loop when a stop is first requested.

        If a stop was requested already, it is called soon. What it raises is logged, and the next
        function is called all the same.

        Args:
            callback: Is given the request to stop. What it returns is ignored.
        """
        self._parts.scope.announcement.add_callback(callback)

    def on_interrupt(self, callback: Callable[[int], object]) -> None:
        """Call a function in the loop at each SIGINT of an interactive supervisor.

        SIGINTs that come within 0.05 s, or while the loop is blocked, count as one. What it raises
        is logged.

        Args:
            callback: Is given the number of runs that the SIGINT ends: 0 if none was active. (In a
                block that is kept open over the inputs of a prompt, Ctrl-C is the prompt's then.)

        Raises:
            UsageError: The supervisor is not interactive.
        """
        if not self._parts.settings.interactive:
            raise UsageError(
                "on_interrupt() needs Supervisor(interactive=True); "
                "here SIGINT stops the program, which on_stop() tells of"
            )
        self._parts.scope.interrupts.add_callback(callback)
