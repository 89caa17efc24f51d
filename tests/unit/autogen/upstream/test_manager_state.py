"""Contract tests: the state by which a manager selects the next speaker."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from autogen_agentchat.teams import BaseGroupChat
from autogen_agentchat.teams._group_chat._graph._digraph_group_chat import GraphFlowManager

from supervisor._autogen.upstream import Group
from supervisor._autogen.upstream.manager_state import _NOT_STATE
from tests.agents import Agent, team
from tests.unit.autogen.upstream.parts import group_after_a_run
from tests.unit.testing.teams import graph, pair, selector, swarm


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (pair, "_next_speaker_index"),
        (selector, "_previous_speaker"),
        (swarm, "_current_speaker"),
        (graph, "_ready"),
        (graph, "_remaining"),
        (graph, "_enqueued_any"),
        (graph, "_triggered_activation_groups"),
    ],
)
async def test_what_a_manager_selects_by(make: Callable[[], BaseGroupChat], field: str) -> None:
    """The manager selects by this attribute, which is data, and changes with each selection."""
    group = await group_after_a_run(make())
    assert field in group.state()
    changed = _changes_of(group, field)
    assert changed, f"{type(group.manager).__name__} does not select by {field} any more"


def _changes_of(group: Group, field: str) -> bool:
    source = inspect.getsource(type(group.manager))
    return f"self.{field} =" in source or f"self.{field}[" in source


async def test_fields_of_a_graph_are_what_they_were() -> None:
    """`_ready` is a deque of names, `_remaining` counts by group; copies are independent."""
    group = await group_after_a_run(graph())
    manager: Any = group.manager
    assert isinstance(manager, GraphFlowManager)
    assert list(manager._ready) == ["a"]
    assert all(isinstance(counts, Counter) for counts in manager._remaining.values())
    fields = group.state()
    manager._ready.clear()
    manager._remaining["d"].clear()
    group.put_state(fields)
    assert list(manager._ready) == ["a"]
    assert manager._remaining["d"].total() == 2


async def test_what_is_no_state_of_a_manager() -> None:
    """The attributes left out of a user's manager are those of the base class."""
    group = await group_after_a_run(team(Agent("a"), turns=1))
    assert set(vars(group.manager)) >= _NOT_STATE
