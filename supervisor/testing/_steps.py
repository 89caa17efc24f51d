"""Counts the steps of runs, and calls a function just before a chosen one.

A step is one resumption of a coroutine that belongs to a run: the task that iterates the team, a
handler, a tool call, anything that they start. Not chosen: to count iterations of the loop. They
differ between asyncio and uvloop, and between machines as soon as something waits for a file or a
socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, cast

from supervisor._core.errors import UsageError
from supervisor._core.tasks import task_factory
from supervisor.testing._numbers import check_steps


class Steps:
    """Counts the steps of the runs of this loop, while its block is open.

    Runs that started earlier are not counted.

    Raises:
        UsageError: The steps of this loop are being counted already.

    Example:
        ```python
        async with Supervisor() as sup:
            with Steps() as steps:
                steps.before(12, lambda: sup.stop("Enough"))
                result = await sup.stream(team, "Write a haiku")
        assert steps.taken >= 12
        ```
    """

    def __init__(self) -> None:
        self.taken: int = 0
        """The number of steps so far."""
        self._plans: list[tuple[int, Callable[[], object]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"<Steps {self.taken} taken>"

    def before(self, step: int, call: Callable[[], object]) -> None:
        """Call a function just before a step.

        Args:
            step: The step's number, from 1.
            call: The function. If the run has fewer steps, it is not called.

        Raises:
            TypeError: `step` is no whole number.
            ValueError: It is negative.
        """
        check_steps("step", step)
        self._plans.append((step, call))
        self._plans.sort(key=lambda plan: plan[0])

    def __enter__(self) -> Steps:
        loop = asyncio.get_running_loop()
        if task_factory(loop).wrap is not None:
            raise UsageError("the steps of this loop are being counted; use one Steps at a time")
        task_factory(loop).wrap = self._wrap
        self._loop = loop
        return self

    def __exit__(
        self,
        typ: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task_factory(cast(asyncio.AbstractEventLoop, self._loop)).wrap = None
        self._loop = None

    def _wrap(self, coro: Coroutine[Any, Any, Any]) -> _Counted:
        return _Counted(coro, self._take)

    def _take(self) -> None:
        if self._loop is None:
            return
        self.taken += 1
        while self._plans and self._plans[0][0] <= self.taken:
            self._plans.pop(0)[1]()


class _Counted(Coroutine[Any, Any, Any]):
    """A coroutine, with a call before each step of it.

    Everything else (code, frame, what it awaits) is the coroutine's own, so that stack dumps, and
    code that looks at a coroutine before it starts, see no difference.
    """

    def __init__(self, coro: Coroutine[Any, Any, Any], take: Callable[[], None]) -> None:
        self._coro = coro
        self._take_step = take
        self.__name__ = getattr(coro, "__name__", type(coro).__name__)
        self.__qualname__ = getattr(coro, "__qualname__", self.__name__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coro, name)

    def __repr__(self) -> str:
        return f"<counted {self._coro!r}>"

    def send(self, value: Any) -> Any:
        self._take_step()
        return self._coro.send(value)

    def throw(
        self,
        typ: Any,
        val: BaseException | object = None,
        tb: TracebackType | None = None,  # noqa: ARG002 - the exception has it
    ) -> Any:
        self._take_step()
        error = typ if isinstance(typ, BaseException) else (val or typ())
        return self._coro.throw(cast(BaseException, error))

    def close(self) -> None:
        self._coro.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coro.__await__()
