"""Fakes for a supervisor: teams of one task, a clock that leaps, a process that goes by it."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, TextMessage
from autogen_core import CancellationToken

from supervisor import Ladder, Rung, Supervisor
from supervisor._signals.listener import Listener
from supervisor.testing import ScriptedAgent

LONG = 3600.0
"""Seconds that no test waits."""

SHORT = Ladder(drain=0.05, cancel=0.05, abandon=0.05)
"""For what refuses: each rung is over soon."""

PATIENT = Ladder(drain=LONG, cancel=LONG, abandon=LONG)
"""For what must end by itself: no rung is left for the time."""


class Talker(ScriptedAgent):
    """What can be run, and says one thing, and ends when it is let go."""

    def __init__(self, name: str = "talker") -> None:
        super().__init__(name)
        self.may_end = asyncio.Event()
        self.has_ended = False

    async def run_stream(
        self,
        *,
        task: str | BaseChatMessage | Sequence[BaseChatMessage] | None = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | TaskResult, None]:
        """Say "one", work, and give the result."""
        said = TextMessage(content="one", source=self.name)
        try:
            yield said
            self.is_working.set()
            await self.work()
            yield TaskResult(messages=[said], stop_reason="let go")
        finally:
            self.has_ended = True

    async def work(self) -> None:
        """Wait until it may end."""
        await self.may_end.wait()


class Failing(Talker):
    """A team that fails when it is let go."""

    async def work(self) -> None:
        """Wait, and raise."""
        await super().work()
        raise LookupError("the team has failed")


class Stubborn(Talker):
    """A team that swallows every cancellation until it is let go."""

    async def work(self) -> None:
        """Wait, whoever cancels it."""
        await insist(self.may_end)


async def insist(event: asyncio.Event) -> None:
    """Wait for an event, and swallow every cancellation meanwhile."""
    while not event.is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await event.wait()


async def over(team: Talker) -> None:
    """Wait until a team that was given up has ended after all, and its run knows."""
    while not team.has_ended:  # noqa: ASYNC110 - one that refuses sets no event
        await asyncio.sleep(0)
    await asyncio.sleep(0)


def cancelling() -> int:
    """Return how many cancellations of the present task are pending."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


@contextlib.asynccontextmanager
async def settles_its_count() -> AsyncGenerator[None]:
    """Check that the task's count of cancellations is what it was."""
    found = cancelling()
    yield
    assert cancelling() == found
    await asyncio.sleep(0)  # and none is on its way


async def stop_when(event: asyncio.Event, sup: Supervisor, rung: Rung = Rung.CANCEL) -> None:
    """Asks for a stop once an event has come."""
    await event.wait()
    sup.stop("enough", rung)


async def wait_for(sup: Supervisor, team: Talker) -> str | None:
    """Run a team, and return its stop reason."""
    return (await sup.stream(team)).stop_reason


class _LeapingSelector(selectors.DefaultSelector):
    """Where nothing is ready, it lets the time go by instead of waiting."""

    leapt = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Wait for an fd, and never for a timer."""
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.leapt += timeout
        return ready


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still while there is work, and leaps to the next timer."""

    def __init__(self) -> None:
        self._leaping = _LeapingSelector()
        super().__init__(self._leaping)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Virtual seconds, from 0."""
        return self._leaping.leapt

    def leap_to(self, at: float) -> None:
        """Let the time go by, as code that blocks the loop does."""
        self._leaping.leapt = at

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Join the threads without a limit: the 300 s of Python 3.12 would be leapt over."""
        await super().shutdown_default_executor()


def in_virtual_time(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test on a leaping loop."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        runner.run(main())


class VirtualProcess:
    """The process as a supervisor sees it, with the loop's clock and signals by hand."""

    def __init__(self) -> None:
        self.members: list[Listener] = []
        self.guests: tuple[Listener, ...] = ()
        self.looks: list[float] = []
        """When the loop has looked at the time."""
        self.interrupts: list[float] = []
        """When the watchdog has interrupted what blocks the loop."""
        self.has_watchdog = True
        self._timer: asyncio.TimerHandle | None = None

    def add(self, member: Listener) -> bool:
        """Take a listener in."""
        self.members.append(member)
        return True

    def leave(self, member: Listener) -> None:
        """Forget it."""
        self.members.remove(member)
        self.wake_watchdog()

    def reclaim(self) -> None:
        """Has nothing that others could take."""

    def update_guard(self) -> None:
        """Has none."""

    @property
    def clock(self) -> VirtualProcess:
        """Itself."""
        return self

    def now(self) -> float:
        """Return the loop's time, which leaps."""
        return asyncio.get_running_loop().time()

    def to_monotonic(self, at: float) -> float:
        """Return the same: no debugger pauses the clock."""
        return at

    def seconds_until(self, at: float | None) -> float | None:
        """Return how long until the loop's time is this; None for never."""
        return None if at is None else max(0.0, at - self.now())

    def look_for_debugger(self) -> None:
        """Look for no debugger, and note when."""
        self.looks.append(self.now())

    def interrupt(self) -> None:
        """Interrupt nothing, and note when."""
        self.interrupts.append(self.now())

    def block(self, seconds: float) -> None:
        """Block the loop; the watchdog does what it was told to do meanwhile."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, LeapingLoop)
        until = loop.time() + seconds
        while self._timer is not None and self._timer.when() <= until:
            loop.leap_to(self._timer.when() + 1e-6)  # no thread wakes in time to the last digit
            self.wake_watchdog()
        loop.leap_to(until)

    def wake_watchdog(self) -> None:
        """Ask the listeners when they want to be called."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.has_watchdog:
            return
        wanted = [member.on_time(self.now()) for member in self.members]
        times = [at for at in wanted if at is not None]
        if times:
            self._timer = asyncio.get_running_loop().call_at(min(times), self.wake_watchdog)

    def signal(self, number: int) -> None:
        """Deliver a signal now."""
        for member in list(self.members):
            member.on_signal(number, self.now(), self.now())
        self.wake_watchdog()
