"""What a team and its runtime still hold, for `assert_settled`."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage
from autogen_agentchat.teams import BaseGroupChat
from autogen_core import SingleThreadedAgentRuntime


@dataclass(frozen=True, kw_only=True)
class TeamSnapshot:
    """What a team and its runtime hold at one moment."""

    is_running: bool
    is_half_made: bool
    has_engine: bool
    unfinished: int
    queued: int
    handlers: int
    output: int
    active_agents: list[str]
    locked: list[str]
    given_twice: list[str]

    def left(self) -> Iterator[str]:
        """Yield in words what a settled team does not hold."""
        counts = {
            "messages in the runtime's queue": self.queued,
            "messages not counted off": self.unfinished,
            "handlers at work": self.handlers,
            "events nobody has read": self.output,
        }
        flags = {
            "it is marked as running": self.is_running,
            "it was initialised halfway": self.is_half_made,
            "its runtime's message loop runs": self.has_engine,
        }
        names = {
            "it waits for the answer of": self.active_agents,
            "a lock is held by": self.locked,
            "a message would be given twice to": self.given_twice,
        }
        yield from (f"{count} {what}" for what, count in counts.items() if count)
        yield from (what for what, is_so in flags.items() if is_so)
        yield from (f"{what} {', '.join(who)}" for what, who in names.items() if who)


def inspect(team: BaseGroupChat) -> TeamSnapshot:
    """Take the snapshot of a team, and of its runtime as far as that is its own."""
    runtime = team._runtime if isinstance(team._runtime, SingleThreadedAgentRuntime) else None
    own = runtime if team._embedded_runtime else None
    queue: Any = runtime._message_queue if runtime is not None else None
    agents = [a for key, a in _agents(runtime) if key.key == team._team_id]
    waiting = [] if queue is None else [e for e in queue._queue if own or _key(e) == team._team_id]
    return TeamSnapshot(
        is_running=team._is_running,
        is_half_made=own is not None and not team._initialized and bool(own._agent_factories),
        has_engine=own is not None and own._run_context is not None,
        unfinished=queue._unfinished_tasks if own is not None and queue is not None else 0,
        queued=len(waiting),
        handlers=len(own._background_tasks) if own is not None else 0,
        output=team._output_message_queue.qsize(),
        active_agents=[name for a in agents for name in getattr(a, "_active_speakers", [])],
        locked=[_name(a) for a in agents if _is_locked(a)],
        given_twice=[_name(a) for a in agents if _has_twice(getattr(a, "_message_buffer", []))],
    )


def thread(team: BaseGroupChat) -> list[BaseAgentEvent | BaseChatMessage]:
    """Return the messages that a team's manager holds; none before its first run."""
    runtime = team._runtime if isinstance(team._runtime, SingleThreadedAgentRuntime) else None
    threads = [
        getattr(agent, "_message_thread", [])
        for key, agent in _agents(runtime)
        if key.key == team._team_id
    ]
    return [message for found in threads for message in found]


def _agents(runtime: SingleThreadedAgentRuntime | None) -> list[tuple[Any, Any]]:
    return [] if runtime is None else list(runtime._instantiated_agents.items())


def _key(envelope: Any) -> str:
    topic = getattr(envelope, "topic_id", None)
    to = getattr(envelope, "recipient", None)
    return str(topic.source if topic is not None else getattr(to, "key", ""))


def _name(agent: Any) -> str:
    member = getattr(agent, "_agent", agent)
    return str(getattr(member, "name", getattr(member, "_name", type(member).__name__)))


def _is_locked(agent: Any) -> bool:
    lock = getattr(agent, "_fifo_lock", None)
    return lock is not None and (lock._locked or not lock._queue.empty())


def _has_twice(messages: list[Any]) -> bool:
    return len({message.id for message in messages}) < len(messages)
