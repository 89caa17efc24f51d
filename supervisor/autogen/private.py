"""Every private name of AutoGen that the supervisor touches; no other module knows one.

`tests/autogen/test_private.py` holds a contract test for each, so that a release of AutoGen that
changes one breaks a test with the name in it, and not a program.

Read in AutoGen 0.7.5: `autogen_core/_single_threaded_agent_runtime.py` (the message loop, the
handlers' tasks, the queue and its count), `autogen_agentchat/teams/_group_chat/`:
`_base_group_chat.py` (`run_stream` and its `stop_runtime`), `_base_group_chat_manager.py` (the
speakers, the turns), `_chat_agent_container.py`, `_sequential_routed_agent.py` (the FIFO lock).
"""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any, Final

from autogen_agentchat.base import TerminationCondition
from autogen_agentchat.teams import BaseGroupChat
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.teams._group_chat._sequential_routed_agent import (
    FIFOLock,
    SequentialRoutedAgent,
)
from autogen_core import SingleThreadedAgentRuntime
from autogen_core._single_threaded_agent_runtime import RunContext

from supervisor.tasks import Kind

HANDLER_ERROR: Final = "Error processing publish message"
"""How the runtime's log record about a handler that raised begins (also a cancelled one)."""


def _inner_code(function: Callable[..., Any], name: str) -> CodeType:
    """The code of a function that is defined inside another one."""
    for constant in function.__code__.co_consts:
        if isinstance(constant, CodeType) and constant.co_name == name:
            return constant
    raise LookupError(f"{function.__qualname__} defines no {name}")


# By name, for the module is an extra that need not be installed. The task that owns an MCP
# session serves every later call as well; `McpWorkbench` cannot start a second one.
_MCP_ACTOR: Final = ("_run_actor", "_actor.py")


class _Kinds(dict[CodeType | None, Kind]):
    """The kinds of coroutines by their code; a code that is not known yet is looked at once."""

    def __missing__(self, code: CodeType | None) -> Kind:
        name, file = _MCP_ACTOR
        is_actor = code is not None and code.co_name == name and code.co_filename.endswith(file)
        kind = self[code] = Kind.HELPER if is_actor else Kind.WORK
        return kind


_KINDS: Final = _Kinds(
    {
        SingleThreadedAgentRuntime._process_send.__code__: Kind.HANDLER,
        SingleThreadedAgentRuntime._process_publish.__code__: Kind.HANDLER,
        SingleThreadedAgentRuntime._process_response.__code__: Kind.HANDLER,
        RunContext._run.__code__: Kind.ENGINE,
        _inner_code(BaseGroupChat.run_stream, "stop_runtime"): Kind.SHIELDED,
    }
)


def kind_of(coro: Any) -> Kind:
    """What a coroutine of AutoGen's does in a run; WORK for any other."""
    return _KINDS[getattr(coro, "cr_code", None)]


class Engine:
    """A runtime at work for one run: its message loop, its queue, its handlers.

    Args:
        coro: The coroutine of its message loop, before its first step.
    """

    def __init__(self, coro: Any) -> None:
        context: RunContext = coro.cr_frame.f_locals["self"]
        self._context = context
        self._runtime = context._runtime
        # Typed as asyncio's of Python 3.11, which lacks what AutoGen's copy of 3.13's has.
        self._queue: Any = self._runtime._message_queue

    def close_intake(self) -> None:
        """Let no message begin any more: those in the queue are dropped, with exact counts.

        The message loop ends by itself. A handler that still sends gets `QueueShutDown`, as from
        the runtime's own `stop()`.
        """
        self._context._stopped.set()
        self._queue.shutdown(immediate=True)

    def settle_count(self) -> bool:
        """Account for handlers that ended without saying so; false while one is still at work.

        A handler counts itself off in a `finally` that never runs when it was cancelled before its
        first step, and in code that an exception skips when its sender had given up. With the
        queue shut and no handler left, whatever is unfinished belongs to those.
        """
        if self._runtime._background_tasks:
            return False
        while self._queue._unfinished_tasks > 0:
            self._queue.task_done()
        return True

    def repair(self) -> None:
        """Make the teams of this runtime usable again; only once it is settled."""
        # The cancellation of a handler, kept to be raised by the message loop: by the next one.
        self._runtime._background_exception = None
        for agent in self._runtime._instantiated_agents.values():
            if isinstance(agent, SequentialRoutedAgent):
                # A waiter that was cancelled is handed the lock, and holds it for ever.
                agent._fifo_lock = FIFOLock()
            if isinstance(agent, BaseGroupChatManager):
                # Who was cancelled never answers, and each later run would wait for the answer.
                agent._active_speakers.clear()
                agent._current_turn = 0

    def conditions(self) -> list[TerminationCondition]:
        """The termination conditions of the teams of this runtime."""
        found = (manager._termination_condition for manager in self._managers())
        return [condition for condition in found if condition is not None]

    def speakers(self) -> list[str]:
        """The names of the participants whose turn it is, as their teams know them."""
        return [name for manager in self._managers() for name in manager._active_speakers]

    def swap_condition(
        self, wrap: Callable[[TerminationCondition | None], TerminationCondition]
    ) -> Callable[[], None] | None:
        """Put a condition around that of the team's manager.

        Returns:
            What puts the old one back; None where there is no manager (yet) that asks its
            condition after each turn.
        """
        for manager in self._managers():
            if not _asks_after_each_turn(manager):
                return None
            found = manager._termination_condition
            ours = wrap(found)
            manager._termination_condition = ours
            return lambda: _put_back(manager, ours, found)
        return None

    def _managers(self) -> Iterator[BaseGroupChatManager]:
        for agent in self._runtime._instantiated_agents.values():
            if isinstance(agent, BaseGroupChatManager):
                yield agent


def _asks_after_each_turn(manager: BaseGroupChatManager) -> bool:
    # MagenticOne's orchestrator has a way of its own from turn to turn.
    return type(manager).handle_agent_response is BaseGroupChatManager.handle_agent_response


def _put_back(
    manager: BaseGroupChatManager,
    ours: TerminationCondition,
    found: TerminationCondition | None,
) -> None:
    if manager._termination_condition is ours:
        manager._termination_condition = found


def free(team: object) -> None:
    """Take the mark of a running team off one whose first start was interrupted."""
    if isinstance(team, BaseGroupChat):
        team._is_running = False
