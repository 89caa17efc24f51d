"""The events of a run, each with its name and as JSON, and one more that tells how it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import weakref
from collections.abc import AsyncGenerator, Iterator
from typing import Any, Final, TypeVar, cast

from supervisor._core.errors import Quarantined, Stopped, SupervisorError
from supervisor._core.events import Rung, StopRequest
from supervisor._core.run import Run, earlier_of, owner_of, stop_now
from supervisor._reports import run_json
from supervisor._reports.outcome import Usage
from supervisor.integrations._streams.ending import Ending
from supervisor.integrations._streams.wire import StreamEvent

T = TypeVar("T")

CLIENT_LEFT: Final = ("The client has disconnected", "client")
"""Why a run is stopped: the reason and the cause of its stop."""


class EventStream:
    """The stream of one run, for one reader.

    Args:
        run: The run.
        show_errors: Whether the last event has the text of an error.
    """

    def __init__(self, run: Run[Any, Any], *, show_errors: bool = False) -> None:
        self._run = run
        self._shows_errors = show_errors
        self._began_at = time.monotonic()
        self._seen: set[object] = set()
        self._number = 0
        self._messages = 0
        self._usage = Usage()
        self._result: Any = None
        self._error: BaseException | None = None

    @property
    def is_shut_down(self) -> bool:
        """Whether the stop is one of the whole supervisor, and so of its program."""
        return owner_of(self._run).stop_request is not None

    @property
    def has_failed(self) -> bool:
        """Whether the run has ended with an error."""
        return self._ending().status == "failed"

    def leave(self) -> None:
        """Stop the run, for its client has left."""
        stop_now(self._run, *CLIENT_LEFT)

    async def events(self) -> AsyncGenerator[StreamEvent]:
        """Yield each event, and at last one that tells how the run has ended."""
        self._began_at = time.monotonic()
        try:
            async with contextlib.aclosing(self._of_run()) as events:
                async for event in events:
                    yield event
        except asyncio.CancelledError as error:
            if not self._is_of_run(error):
                raise
            self._error = error
        except Exception as error:  # noqa: BLE001 - whatever an agent raises
            self._error = error
            _report(error)
        yield self._ending().event(self._next_number())

    async def _of_run(self) -> AsyncGenerator[StreamEvent]:
        iterator = aiter(self._run)
        try:
            async for found in iterator:
                if run_json.kind_of(found) != run_json.RESULT:
                    yield self._event(found)
                    continue
                self._result = found
                for message in self._unseen():
                    yield self._event(message)
        finally:  # also where the reader has gone: the run is stopped, and settled
            with contextlib.suppress(SupervisorError):
                await cast(Any, iterator).aclose()

    def _event(self, found: object) -> StreamEvent:
        facts = run_json.event(found)
        if facts["type"] == "message":
            self._messages += 1
            self._seen.add(getattr(found, "id", None))
            self._usage += run_json.usage_of(found)
        name, number = str(facts["type"]), str(self._next_number())
        return StreamEvent(event=name, data=run_json.text(facts), id=number)

    def _unseen(self) -> Iterator[object]:
        """Yield the messages of the result that were no events before: a stop yields no more.

        Those of earlier processes are left out, which have streamed them.
        """
        known = self._seen.union(message.id for message in earlier_of(self._run))
        messages = self._result.messages
        return (message for message in messages if getattr(message, "id", None) not in known)

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _is_of_run(self, error: asyncio.CancelledError) -> bool:
        """Return whether the run has ended so by itself, and its reader was not cancelled."""
        task = asyncio.current_task()
        return isinstance(error, Stopped) or task is None or not task.cancelling()

    # -- the end --------------------------------------------------------------------------------

    def _ending(self) -> Ending:
        return Ending(
            error=self._error,
            request=self._request(),
            stop_reason=getattr(self._result, "stop_reason", None),
            retry_after=self._retry_after(),
            messages=self._messages,
            usage=self._usage,
            seconds=time.monotonic() - self._began_at,
            shows_errors=self._shows_errors,
        )

    def _request(self) -> StopRequest | None:
        """Return what has stopped the run; None where it came to its own end."""
        if isinstance(self._error, Stopped):
            return self._error.request
        request, result = self._run.stop_request, self._result
        has_failed = isinstance(self._error, Exception) and not isinstance(self._error, Quarantined)
        if request is None or has_failed:
            return None
        came_to_its_end = result is not None and result.stop_reason != request.reason
        return None if came_to_its_end else request

    def _retry_after(self) -> float | None:
        """Return when the program that ends now may be there again."""
        if not self.is_shut_down:
            return None
        seconds = owner_of(self._run).ladder.budget(Rung.DRAIN)
        return seconds if seconds < math.inf else None


def checked(run: Run[Any, Any]) -> Run[Any, Any]:
    """Return a run.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(run, Run):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{run!r} is no run; give what Supervisor.stream() or iterate() returns")
    return run


def closes_unstarted(stream: AsyncGenerator[T], run: Run[Any, Any]) -> AsyncGenerator[T]:
    """Have a run that was not started closed with its stream; return the stream.

    A web framework drops the body of a response whose client has left before it began. Python
    closes no generator that was not begun, and the run would warn that it was never awaited.
    """
    weakref.finalize(stream, run.close).atexit = False
    return stream


def _report(error: Exception) -> None:
    """Tell who runs the program, for the client may not see the error: as asyncio does."""
    if not isinstance(error, Quarantined):  # which was reported when it was given up
        context = {"message": "A run that is streamed has failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)
