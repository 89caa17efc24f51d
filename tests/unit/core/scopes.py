"""A fake run for tests of scopes and task factories, with work of each kind."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any

from supervisor._autogen.kinds import CALL, ENGINE, HANDLER, SELECTION
from supervisor._core.tasks import HELPER, SCOPE, SHIELDED, WORK, AnyTask, Kind, Scope, TaskFactory

KINDS = {
    "handle": HANDLER,
    "pass_on": ENGINE,
    "wait_idle": SHIELDED,
    "serve": HELPER,
    "call": CALL,
    "handle_call": HANDLER,
    "select": SELECTION,
}


def classify(coro: Any) -> tuple[Kind, Any]:
    """Return a coroutine's kind, by its name, and the name."""
    name = coro.cr_code.co_name
    return KINDS.get(name, WORK), name


class FakeRun:
    """A run whose tasks are followed: its scope, and a task factory on the running loop."""

    def __init__(self) -> None:
        self.engines: list[tuple[AnyTask, str]] = []
        self.children: list[tuple[AnyTask, str]] = []
        self.deliveries: list[tuple[AnyTask, AnyTask]] = []
        self.scope = Scope(classify, self)
        self.factory = TaskFactory(asyncio.get_running_loop())
        self.may_end = asyncio.Event()

    def observe(self, kind: Kind, task: AnyTask, coro: Any, more: Any) -> None:
        """Note the message loops."""
        if kind is ENGINE:
            self.engines.append((task, more))

    def observe_child(self, kind: Kind, creator: AnyTask, task: AnyTask, coro: Any) -> None:
        """Note what tool calls start, and the tasks that handlers start."""
        if kind is CALL:
            self.children.append((creator, coro.__name__))
        else:
            self.deliveries.append((creator, task))

    def __enter__(self) -> FakeRun:
        self.factory.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.may_end.set()  # what refuses to be cancelled would keep the loop of a failed test
        self.factory.release()

    def create(self, coro: Coroutine[Any, Any, Any]) -> AnyTask:
        """Return a task created in the scope."""
        context = contextvars.copy_context()
        context.run(SCOPE.set, self.scope)
        return asyncio.get_running_loop().create_task(coro, context=context)

    async def wait(self) -> None:
        """Ordinary work."""
        await self.may_end.wait()

    async def handle(self, started: list[AnyTask]) -> None:
        """Start a task, and wait, as a handler does."""
        started.append(asyncio.create_task(self.wait()))
        await self.may_end.wait()

    async def handle_and_leave(self, started: list[AnyTask]) -> None:
        """Start a task and do not wait for it, as a handler (by the first word of its name)."""
        started.append(asyncio.create_task(self.wait()))

    async def serve(self, started: list[AnyTask]) -> None:
        """Start a task, as a helper does."""
        started.append(asyncio.create_task(self.wait()))
        await self.may_end.wait()

    async def call(self, started: list[AnyTask]) -> None:
        """Start a task, as a tool call does."""
        started.append(asyncio.create_task(self.wait()))
        await self.may_end.wait()

    async def select(self) -> None:
        """Wait, as a selection does."""
        await self.may_end.wait()

    async def handle_call(self, started: list[AnyTask]) -> None:
        """Call a tool in a task that a task of this handler starts."""

        async def begin() -> None:
            started.append(asyncio.create_task(self.call(started)))
            await self.may_end.wait()

        started.append(asyncio.create_task(begin()))
        await self.may_end.wait()

    async def pass_on(self) -> None:
        """Wait, as a message loop does."""
        await self.may_end.wait()

    async def wait_idle(self) -> None:
        """Wait, as what must not be cancelled."""
        await self.may_end.wait()

    async def end(self, *tasks: AnyTask) -> None:
        """Let everything end."""
        self.may_end.set()
        await asyncio.wait(tasks)
