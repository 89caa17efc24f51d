"""The turns of a run, for what follows it: the state after each, and whether one was taken.

AutoGen can save a team's state only while the team is not running: in between, what a member has
said is still on its way to the others. The journal knows what each member is to hear. So the state
after a turn is AutoGen's own, taken in the step in which the next turn would begin, with what each
member is to be given by the journal.

Where it falls short: of MagenticOne, whose orchestrator takes turns in its own way, of a team on a
runtime in another process, and of agents whose `save_state()` waits, there is no such state. In
teams within teams it is the outermost team's turns that count.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from autogen_agentchat.base import Team
from autogen_agentchat.messages import BaseChatMessage

from supervisor._autogen.adapter import TeamAdapter
from supervisor._autogen.history.journal import Journal
from supervisor._autogen.history.team_run import TeamRun
from supervisor._autogen.messages import Event, TaskResult
from supervisor._autogen.repair_thread import drive_sync
from supervisor._core.run import Run, adapter_of

OnTurn = Callable[[Mapping[str, Any], int], None]
"""Takes a state, and the number of messages that were said in the run until then."""


def watch(run: Run[Event, TaskResult], on_turn: OnTurn) -> None:
    """Call a function with the state after each turn of a team but its last.

    Args:
        run: A run that has not started.
        on_turn: Called in the step in which the next turn would begin; it must not wait.
    """
    adapter = cast(TeamAdapter, adapter_of(run))
    team = adapter.subject

    def note(journal: Journal) -> None:
        root = journal.root
        if root is not None and root.has_answers and root.group.has_turns and root.is_of(team):
            # What is the user's may raise anything: then the state after this turn is not known.
            with contextlib.suppress(Exception):
                on_turn(_state(cast(Team, team), root), _count(root.added()))

    adapter.context.journal.on_turn = note


def _state(team: Team, root: TeamRun) -> Mapping[str, Any]:
    state = dict(drive_sync(cast(Any, team.save_state())))
    members = cast("dict[str, dict[str, Any]]", state["agent_states"])
    for name, due in root.due.items():
        members[name] = {**members[name], "message_buffer": [message.dump() for message in due]}
    return state


def _count(items: Sequence[object]) -> int:
    return sum(isinstance(item, BaseChatMessage) for item in items)


def count_said(run: Run[Event, TaskResult], task: BaseChatMessage | None) -> int:
    """Count the messages that were said in a run that has ended.

    Args:
        run: The run.
        task: What it was given, which does not count.
    """
    said = run.result.messages if run.result is not None else ()
    return _count([item for item in said if task is None or item.id != task.id])


def has_answer(run: Run[Event, TaskResult], task: BaseChatMessage | None) -> bool:
    """Return whether anything was finished in a run that has ended: a message, or a tool's call.

    A tool that was called is not called again for the same words, so its turn counts as well.

    Args:
        run: The run.
        task: What it was given, which does not count.
    """
    journal = cast(TeamAdapter, adapter_of(run)).context.journal
    return count_said(run, task) > 0 or journal.has_taken_effect()
