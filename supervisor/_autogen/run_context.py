"""What is at work for a run: its tasks, its runtimes, and the journal of what they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from autogen_core import SingleThreadedAgentRuntime
from structlog.contextvars import bind_contextvars

from supervisor._autogen import code_execution, log_filter, shared_runtimes, upstream
from supervisor._autogen.fast_path import FastPath
from supervisor._autogen.history.journal import Journal
from supervisor._autogen.kinds import CALL, ENGINE, HANDLER, PROCESS, SELECTION
from supervisor._autogen.token import SupervisedToken
from supervisor._autogen.upstream import Delivery, Engine
from supervisor._core.tasks import DRIVER, WORK, AnyTask, Kind, Scope
from supervisor._process.children import ChildProcesses
from supervisor._reports import log_events
from supervisor._reports.findings import TaskInfo
from supervisor._reports.log import reporter


class RunContext:
    """The inside of one run, as its tasks show it.

    Args:
        agent: The agent that is run; None where a team is.
        on_boundary: Called where a turn has ended, in the step in which the next would begin.
        on_failure: Called with an error after which AutoGen would wait for ever; with None where it
            was a cancellation.
        fast_path: Taken on the runtimes of its teams; None takes AutoGen's way.
    """

    def __init__(
        self,
        agent: object | None,
        on_boundary: Callable[[], None],
        on_failure: Callable[[BaseException | None], None],
        fast_path: FastPath | None = None,
    ) -> None:
        self.token = SupervisedToken()
        self.token.on_failure = on_failure
        self.journal = Journal(agent, on_boundary)
        self.scope = Scope(upstream.classify, self)
        self.engines: dict[AnyTask, Engine] = {}
        """The runtimes that work for this run alone, by the task of their message loop."""
        self.shared = shared_runtimes.SharedRuntimes(self.scope)
        """The other runtimes that it uses."""
        self.holds_back = False
        """Whether no manager may select a speaker any more."""
        self.refuse: Callable[[AnyTask], None] | None = None
        """Called with a handler that begins after the journal was closed."""
        self.starts: list[AnyTask] = []
        """Each starts, or has started, a process in which AutoGen's local executor runs code."""
        self.expired: list[ChildProcesses] = []
        """The processes that the executor has terminated itself.

        At its time limit it terminates its own child, and not the descendants, which are included.
        """
        self._on_failure = on_failure
        self._deliveries: set[AnyTask] = set()  # handlers of what was published; no chunks
        self._fast_path = fast_path
        self._releases: list[Callable[[], object]] = []  # each ends the hold on a kernel
        self._runtimes: set[int] = set()  # the id()s of the run's own runtimes

    def open(self, things: Iterable[object], loop: asyncio.AbstractEventLoop) -> None:
        """Watch what is at work for the run.

        Args:
            things: What is run, and the components that it holds.
            loop: Where it is run.
        """
        log_filter.install()
        self.token.bind(loop)
        shared_runtimes.register(self.scope, self.token)
        try:
            self._hold(things)
        except BaseException:  # of a component of the user's
            self.close()
            raise

    def _hold(self, things: Iterable[object]) -> None:
        for thing in things:
            runtime = upstream.given_runtime(thing)
            if runtime is not None:
                self.shared.add(runtime)
            client = upstream.kernel_client(thing)
            if client is not None:
                self._releases.append(upstream.hold_kernel(client))

    def close(self) -> None:
        """End `open`."""
        log_filter.remove()
        shared_runtimes.forget(self.scope, self.token)
        while self._releases:
            self._releases.pop()()

    def close_journal(self) -> None:
        """Count what waits in the queues, and ignore everything that is said from here on."""
        if self.journal.is_closed:
            return
        if code_execution.can_run():
            for task in self.scope.at_work():
                self.journal.execute(task, self.scope.root(task))
        try:
            self.journal.close(self.queued())
        except Exception as error:  # noqa: BLE001 - the stop must go on
            reporter.event(log_events.MESSAGES_NOT_COUNTED, exc_info=error)

    def queued(self) -> list[Delivery]:
        """Return the messages that wait in the queues of its runtimes."""
        found: list[Delivery] = []
        for engine in self.engines.values():
            found += engine.queued()
        return found + (self.shared.queued() if self.shared.runtimes else [])

    def task_info(self, task: AnyTask, team: str, asked: float | None) -> TaskInfo:
        """Describe a task, for a report."""
        agent, tool = self.journal.agent_at(self.scope.root(task)), None
        call = self.journal.calls.at(task)
        if call is not None:  # which outlives its turn, where it refuses to end
            agent, tool = call.agent, call.call.name
        return TaskInfo(task=task, team=team, agent=agent, tool=tool, asked=asked)

    def executions(self) -> list[int]:
        """Return the pids of the processes in which AutoGen's local executor runs code now."""
        return [task.result().pid for task in self.starts if _is_running(task)]

    def is_starting_process(self) -> bool:
        """Return whether a process may be running whose pid is not known yet."""
        return any(not task.done() for task in self.starts)

    def servers(self) -> list[int]:
        """Return the pids of the tool servers that MCP sessions of the run have started."""
        found = (upstream.mcp_server(task) for task in self.scope.alive(WORK))
        return [pid for pid in found if pid is not None]

    # -- as an observer of the tasks ------------------------------------------------------------

    def observe(self, kind: Kind, task: AnyTask, coro: Any, more: Any) -> None:
        """Note a task of the run that is more than work."""
        if kind is HANDLER:
            self._observe_handler(task, *upstream.envelope_in(more))
        elif kind is SELECTION:
            self.journal.select(upstream.selecting_manager(coro, more))
            if self.holds_back:  # another branch may still be at its turn; this one waits
                task.cancel()
        elif kind is CALL:
            self.journal.call(task, coro, more, self.scope.root(task))
            self._watch_calls(asyncio.current_task())
        elif kind is PROCESS:
            self._observe_process(task)
        elif kind is ENGINE:
            self._observe_engine(task, upstream.message_loop(more))
        elif kind is DRIVER:
            self.journal.begin(task)

    def observe_child(self, kind: Kind, creator: AnyTask, task: AnyTask, coro: Any) -> None:
        """Note what a tool call starts, and a handler's passing its message on to an agent."""
        if kind is CALL:
            self.journal.calls.add_child(creator, coro)
        elif creator in self._deliveries:
            task.add_done_callback(self._delivered)

    def _delivered(self, task: AnyTask) -> None:
        """Fail with what ends a message loop, or is lost: AutoGen tells no team of it."""
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or (error is not None and not isinstance(error, Exception)):
            self._fail(error)

    def _watch_calls(self, task: AnyTask | None) -> None:
        if task is not None and upstream.gathers_calls(task):
            task.add_done_callback(self._called)

    def _called(self, task: AnyTask) -> None:
        """Fail with what a tool call has raised: its agent waits for the calls' end, for ever."""
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            self._fail(error)

    def _fail(self, error: BaseException | None) -> None:
        if not isinstance(error, (KeyboardInterrupt, SystemExit)):  # raised through the loop
            self._on_failure(error)

    def _observe_process(self, task: AnyTask) -> None:
        others = [other for other in self.starts if not other.done() or _is_running(other)]
        self.starts = [*others, task]
        task.add_done_callback(self._observe_end)

    def _observe_end(self, task: AnyTask) -> None:
        """Scan the descendants of a process that runs code, just before it is terminated."""
        if task.cancelled() or task.exception() is not None:
            return
        made: asyncio.subprocess.Process = task.result()
        terminate = made.terminate

        def note_and_terminate() -> None:
            children = ChildProcesses([made.pid])
            children.scan()
            self.expired = [*(found for found in self.expired if found.scan()), children]
            terminate()

        made.terminate = note_and_terminate  # type: ignore[method-assign]

    def _observe_handler(
        self, task: AnyTask, runtime: SingleThreadedAgentRuntime, envelope: Any
    ) -> None:
        is_own = id(runtime) in self._runtimes
        if is_own and self._fast_path is not None:
            self._fast_path.note(task, id(runtime), envelope)
        if is_own and not self.journal.reads(envelope.message):
            return
        found = upstream.delivery(runtime, envelope)
        if not found.is_sent:
            self._deliveries.add(task)
            task.add_done_callback(self._deliveries.discard)
        if not is_own:
            self.shared.note(task, found)
            if self.journal.is_closed and self.refuse is not None:
                self.refuse(task)  # what a cancelled handler still says is not heard
        self.journal.deliver(found, task)
        name, context = self.journal.agent_at(task), self.scope.new_context
        if name is not None and context is not None:
            context.run(bind_contextvars, agent=name)  # for log lines of the agent's

    def _observe_engine(self, task: AnyTask, context: Any) -> None:
        for ended in [other for other in self.engines if other.done()]:
            del self.engines[ended]  # nested teams start one each time they speak
        engine = self.engines[task] = Engine(context)
        self._runtimes = {it.id for it in self.engines.values()}
        team = upstream.starting_team()  # there is one: see `shared_runtimes.scope_of`
        if self._fast_path is not None:
            self._fast_path.open(team, engine.id, task)
        self.journal.start_engine(team, self.scope.root(asyncio.current_task()))


def _is_running(task: AnyTask) -> bool:
    """Return whether the process that a task has started is running."""
    if not task.done():
        return False
    return not task.cancelled() and not task.exception() and task.result().returncode is None
