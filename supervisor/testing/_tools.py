"""Tools for tests that record which calls were begun, and which were finished."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from supervisor.testing._numbers import check_steps

Call = tuple[str, str]
"""A call as a test knows it: the tool's name, and its argument."""


class ToolLog:
    """Makes tools, and records their calls.

    A call is identified by its tool and its argument. Give each call of a script an argument of its
    own; then a call that is made twice is found.

    Example:
        ```python
        log = ToolLog()
        agent = AssistantAgent("seeker", model, tools=[log.tool("look_up")])
        ```
    """

    def __init__(self) -> None:
        self.started: list[Call] = []
        """The calls that were begun, in order."""
        self.finished: list[Call] = []
        """The calls that have returned, in order."""
        self.repeated: list[Call] = []
        """The calls that were begun after they had returned once."""
        self.on_start: Callable[[], object] | None = None
        """Called as a call begins."""

    def tool(self, name: str, *, pause: int = 1) -> Callable[[str], Awaitable[str]]:
        """Return a tool that takes a `key`, and answers with its name and the key.

        Args:
            name: The tool's name.
            pause: The number of steps of the loop that a call takes.

        Raises:
            TypeError: `pause` is no whole number.
            ValueError: It is negative.
        """
        check_steps("pause", pause, or_else="a tool that takes seconds is a function of yours")

        async def tool(key: str = "") -> str:
            self.start(name, key)
            for _ in range(pause):
                await asyncio.sleep(0)
            self.finish(name, key)
            return f"{name} {key} done"

        tool.__name__ = tool.__qualname__ = name
        tool.__doc__ = f"Do {name}."
        return tool

    def start(self, name: str, key: str = "") -> None:
        """Note that a call begins; for tools that were made elsewhere."""
        if (name, key) in self.finished:
            self.repeated.append((name, key))
        self.started.append((name, key))
        if self.on_start is not None:
            self.on_start()

    def finish(self, name: str, key: str = "") -> None:
        """Note that a call has returned."""
        self.finished.append((name, key))

    def clear(self) -> None:
        """Forget all calls."""
        for calls in (self.started, self.finished, self.repeated):
            calls.clear()
