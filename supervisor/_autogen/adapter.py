"""AutoGen's teams and agents, as something that can be run and stopped.

An adapter holds one team, or one agent, for one run. It is chosen by type; what is neither of
AutoGen's two, and has a `run_stream`, is run as a team.
"""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, cast

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import ChatAgent, TaskResult, Team
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_core import CancellationToken

from supervisor._autogen import quarantine, repair, results, shared_runtimes, upstream
from supervisor._autogen.fast_path import FastPath
from supervisor._autogen.history import resume
from supervisor._autogen.messages import Event, Item, role
from supervisor._autogen.repair import Repair
from supervisor._autogen.repair_thread import RepairThread
from supervisor._autogen.run_context import RunContext
from supervisor._autogen.teardown import AutoGenTeardown
from supervisor._autogen.walk import walk
from supervisor._core.adapter import Control, NotKept
from supervisor._core.errors import Quarantined
from supervisor._core.run_state import Conclusion, Phase, RunState
from supervisor._core.tasks import AnyTask, FindScope, Scope
from supervisor._core.teardown import Teardown
from supervisor._reports import log_events
from supervisor._reports.findings import TaskInfo
from supervisor._reports.log import reporter
from supervisor._reports.stacks import describe
from supervisor._reports.telemetry.runs import RunKind

AnyToken = CancellationToken
"""AutoGen's `CancellationToken`, of any kind."""

Runnable = Team | ChatAgent
"""What a supervisor runs: a team or an agent of AutoGen's."""

Task = str | BaseChatMessage | Sequence[BaseChatMessage]
"""What a team is run on: a text, a message, or several messages."""

# An agent's stream would fill the memory for a slow reader; a team's fills AutoGen's own queue, as
# it does without us.
_AHEAD: Final = 256


class TeamAdapter(NotKept):
    """A team.

    Args:
        team: The team, or anything else that has a `run_stream`.
        task: What it is given.
        cancellation_token: A token of the caller's.
        output_task_messages: Whether the task's own messages are among the events.
        fast_path: Whether its events take the fast path.

    Raises:
        TypeError: It cannot be run.
    """

    ahead = _AHEAD
    keeps_read = True
    yields_result = True
    is_interruptible = True
    earlier: Sequence[Item] = ()  # of a run that goes on, once it has ended: from other processes
    run_kind: RunKind = "team"

    def __init__(
        self,
        team: Runnable,
        task: Task | None,
        *,
        cancellation_token: AnyToken | None = None,
        output_task_messages: bool = True,
        fast_path: bool = True,
    ) -> None:
        _check(team)
        self.name = str(getattr(team, "name", type(team).__name__))
        self.subject: object = team
        self.role: Callable[[Event], Any] = role
        self.find_scope: FindScope | None = shared_runtimes.scope_of
        self._team = team
        self._task = self._as_autogen_takes_it(task)
        self._shows_task = output_task_messages
        self._caller_token = cancellation_token
        self._takes_fast_path = fast_path
        self._repair: Repair | None = None
        self._before: quarantine.Running | None = None  # a run that has the team still

    def bind(self, control: Control[Event, TaskResult]) -> None:
        """Get to know the run."""
        self._control = control
        self._fast_path = FastPath(self._team, control.take) if self._takes_fast_path else None
        agent = self._team if self.run_kind == "agent" else None
        self.context = RunContext(agent, control.boundary, control.fail, self._fast_path)
        """What is at work for the run."""
        self.context.token.on_cancel = self._token_cancelled

    def _as_autogen_takes_it(self, task: Task | None) -> Any:
        # AutoGen 0.7.5 declares a Sequence, and takes nothing but a list.
        return list(task) if isinstance(task, tuple) else task

    @property
    def scope(self) -> Scope:
        """The tasks of the run."""
        return self.context.scope

    # -- the start ------------------------------------------------------------------------------

    def refuse(self) -> None:
        """Raise where it must not be run.

        Raises:
            Quarantined: Something of it refused to end.
            HandedOff: It waits for a handoff's answer.
            SupervisorError: A method of AutoGen's that we need was replaced.
        """
        self._things = list(walk(self._team))
        quarantine.refuse_given_up(self._things)
        resume.refuse_handed_off(self._team, self.name, self._task)
        upstream.refuse_replaced()

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Put in place what watches the run."""
        self.context.open(self._things, loop)
        self._before = quarantine.claim(self._team, self._control)

    def close(self) -> None:
        """Take away what `open` has put in place."""
        self.context.close()

    async def prepare(self) -> None:
        """Heed the caller's token, and wait for the run that has the team still.

        Raises:
            Quarantined: That one was given up.
        """
        if self._caller_token is not None:
            _heed(self._caller_token, self._control)
        if self._before is not None:
            await self._before.until_settled()
            self._before = None
            quarantine.refuse_given_up(self._things)

    def start(self) -> AsyncIterator[Event]:
        """Start it."""
        options: dict[str, Any] = {} if self._shows_task else {"output_task_messages": False}
        token = self.context.token
        stream = self._team.run_stream(task=self._task, cancellation_token=token, **options)
        if self._fast_path is not None:
            self._fast_path.begin(stream)
        return stream

    # -- the stop -------------------------------------------------------------------------------

    def drain(self) -> None:
        """Have no manager select a speaker any more."""
        self.context.holds_back = True

    @property
    def is_at_boundary(self) -> bool:
        """Whether nobody's turn is being taken."""
        return self.context.journal.is_between_turns()

    @property
    def is_at_work(self) -> bool:
        """Whether something of it is at work on a runtime of the user's."""
        return self.context.shared.is_at_work()

    def when_less(self, call: Callable[[], None]) -> None:
        """Have a function called when less is at work there."""
        self.context.shared.when_one_ends(call)

    def settle(self, on_settled: Callable[[], None], seconds: float) -> Teardown:
        """Return what cancels all of it."""
        teardown = AutoGenTeardown(self.context, on_settled, seconds)
        self.context.refuse = teardown.cancel
        return teardown

    def _token_cancelled(self) -> None:
        """Stop, for an agent or a tool has cancelled the token that it was given."""
        if self._control.state.phase is Phase.ACTIVE:
            root = self.scope.root(_current_task())
            name = self.context.journal.agent_at(root)
            reason = "Its token was cancelled" if name is None else f"Cancelled by {name!r}"
            token = self.context.token
            self._control.stop(token.reason or reason, token.cause)

    def refused(self, left: list[AnyTask], seconds: float) -> BaseException | None:
        """Put it into quarantine, for these tasks refused to end."""
        quarantine.give_up(walk(self._team), self._control)
        doing, agents = describe(left), self.active_agents()
        event = log_events.TEAM_QUARANTINED
        reporter.event(event, agents=agents, doing=doing, seconds=seconds)
        return Quarantined(self.name, agents, doing, seconds)

    # -- the end --------------------------------------------------------------------------------

    def conclude(self, on_end: Callable[[], None]) -> Conclusion | None:
        """Make the team consistent; in a thread, where something of the user's may wait."""
        things = list(walk(self._team))  # as they are now: an agent may have made some meanwhile
        repair.make_usable(self.context, things)
        made = self._repair = Repair(self.context, self._control.channel, self._task)
        if made.may_wait(things):
            state, loop = self._control.state, asyncio.get_running_loop()
            return RepairThread(loop, lambda: _apply(made, state), on_end)
        made.apply()
        on_end()
        return None

    def unconcluded(self) -> None:
        """Note that the user's code refused to end, and the team is as it is."""
        reporter.event(log_events.REPAIR_REFUSED)

    def so_far(self) -> TaskResult:
        """Return a result of what was delivered until now."""
        state, channel = self._control.state, self._control.channel
        return TaskResult(messages=_items(channel.held()), stop_reason=state.reason)

    def result(self) -> TaskResult:
        """Return what the run has come to; its team is consistent, or was given up."""
        state, channel = self._control.state, self._control.channel
        if state.natural is not None:
            return self._agreed(state.natural)
        made = cast(Repair, self._repair)  # the run was stopped, or has failed
        items = resume.without_replayed(made.messages(shows_task=self._shows_task))
        if state.is_draining:  # what was still under way when it ended between two turns
            for item in results.without(items, [*_items(channel.held()), *self.earlier]):
                channel.put(item)
        return TaskResult(messages=items, stop_reason=state.reason)

    def _agreed(self, result: TaskResult) -> TaskResult:
        """Return AutoGen's own result, in agreement with what the team holds."""
        items, reason = list(result.messages), result.stop_reason
        root = self.context.journal.root
        if root is not None and root.is_of(self._team):
            items = repair.natural(items, root, shows_task=self._shows_task)
        items = resume.without_replayed(items)
        if reason is None and self._control.state.request is not None:
            reason = self._control.state.reason
        if items == result.messages and reason == result.stop_reason:
            return result
        return TaskResult(messages=items, stop_reason=reason)

    def free(self) -> None:
        """Let the next run have the team."""
        quarantine.release(self._control)

    @property
    def has_taken_task(self) -> bool:
        """Whether the team has taken the task."""
        if self._repair is not None:
            return self._repair.has_taken
        root = self.context.journal.root
        has_ended = self._control.state.natural is not None
        return has_ended and (root is None or root.was_told)

    # -- what it tells --------------------------------------------------------------------------

    def active_agents(self) -> list[str]:
        """Return the names of the agents whose turn it is, the outer teams' first."""
        return self.context.journal.active_agents() or [self.name]

    def task_infos(self, tasks: list[AnyTask], asked: float | None) -> list[TaskInfo]:
        """Tell whose these tasks are, for a report."""
        return [self.context.task_info(task, self.name, asked) for task in tasks]


class AgentAdapter(TeamAdapter):
    """A single agent."""

    run_kind: RunKind = "agent"

    def _as_autogen_takes_it(self, task: Task | None) -> Any:
        if isinstance(task, str) and isinstance(self._team, BaseChatAgent):
            # As it would itself; to be known again.
            return TextMessage(content=task, source="user")
        return super()._as_autogen_takes_it(task)


def adapter_of(runnable: Runnable) -> type[TeamAdapter]:
    """Return the adapter for this team or agent."""
    return AgentAdapter if isinstance(runnable, ChatAgent) else TeamAdapter


def _check(team: object) -> None:
    if inspect.isclass(team) or not callable(getattr(team, "run_stream", None)):
        raise TypeError(
            f"{team!r} has no run_stream(); give an AutoGen Team or ChatAgent, and no class"
        )


def _heed(token: AnyToken, control: Control[Event, TaskResult]) -> None:
    """Have a run ended by a token of its caller's."""
    loop = asyncio.get_running_loop()
    # A plain CancellationToken never forgets a callback: this one must not keep the run.
    reference = weakref.ref(control)

    def hop() -> None:
        run = reference()
        if run is not None and not loop.is_closed():
            loop.call_soon_threadsafe(run.cancel_by_caller)

    token.add_callback(hop)


def _items(events: list[Event]) -> list[Item]:
    return cast("list[Item]", events)  # of what is kept none is a result


def _apply(made: Repair, state: RunState[TaskResult]) -> None:
    """Do a repair in a thread of its own; what is logged tells whose it is."""
    with state.bound():
        made.apply()


def _current_task() -> AnyTask | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # in another thread
        return None
