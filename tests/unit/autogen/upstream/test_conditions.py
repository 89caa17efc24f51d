"""Contract tests: the fields of termination conditions, and which agents save a state."""

from __future__ import annotations

import time
from typing import Any

import autogen_agentchat.conditions as all_conditions
import pytest
from autogen_agentchat.agents import (
    AssistantAgent,
    CodeExecutorAgent,
    MessageFilterAgent,
    SocietyOfMindAgent,
    UserProxyAgent,
)
from autogen_agentchat.base import (
    AndTerminationCondition,
    OrTerminationCondition,
    TerminationCondition,
)
from autogen_agentchat.conditions import (
    ExternalTermination,
    FunctionalTermination,
    FunctionCallTermination,
    HandoffTermination,
    MaxMessageTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
    TextMessageTermination,
    TimeoutTermination,
    TokenUsageTermination,
)
from autogen_agentchat.messages import StopMessage

from supervisor._autogen import upstream
from supervisor._autogen.upstream.conditions import COUNTS, SETTINGS

_CONDITIONS: list[TerminationCondition] = [
    AndTerminationCondition(MaxMessageTermination(1), StopMessageTermination()),
    ExternalTermination(),
    FunctionCallTermination("f"),
    FunctionalTermination(lambda _: True),
    HandoffTermination("x"),
    MaxMessageTermination(1),
    OrTerminationCondition(MaxMessageTermination(1), StopMessageTermination()),
    SourceMatchTermination(["a"]),
    StopMessageTermination(),
    TextMentionTermination("x"),
    TextMessageTermination("a"),
    TimeoutTermination(1),
    TokenUsageTermination(1),
]


def test_each_condition_of_autogen_is_known() -> None:
    """The table names each class that AutoGen exports, and And and Or."""
    exported = {getattr(all_conditions, name) for name in all_conditions.__all__}
    assert exported | {AndTerminationCondition, OrTerminationCondition} == set(COUNTS)
    assert {type(condition) for condition in _CONDITIONS} == set(COUNTS)


@pytest.mark.parametrize("condition", _CONDITIONS, ids=lambda it: type(it).__name__)
def test_each_field_is_a_count_or_a_setting(condition: TerminationCondition) -> None:
    """A condition has no field but those of the table, its settings, and those with a function."""
    others = {"_conditions", "_func", "_start_time", "_stop_messages"}
    assert vars(condition).keys() <= {*COUNTS[type(condition)], *SETTINGS, *others}
    counts = upstream.condition_counts(condition)
    assert counts is not None
    assert all(type(value) in (bool, int) for value in counts.values())


def test_parts_stops_and_time() -> None:
    """And holds its parts and what it has noted; a time-out holds when it has begun."""
    first, second = MaxMessageTermination(1), TimeoutTermination(100)
    both: Any = first & second
    assert upstream.condition_parts(both) == (first, second)
    assert upstream.condition_parts(first) is None
    assert upstream.noted_stops(both) is both._stop_messages
    assert upstream.noted_stops(first) is None
    assert upstream.elapsed(first) is None
    upstream.put_elapsed(second, 50)
    upstream.put_elapsed(first, 50)  # which counts no seconds
    assert second._start_time == pytest.approx(time.monotonic() - 50, abs=10)
    assert 50 <= (upstream.elapsed(second) or 0) < 60


async def test_and_notes_the_messages_of_its_parts() -> None:
    """What an And notes are the stop messages of parts that have ended."""
    both = MaxMessageTermination(1) & TextMentionTermination("bye")
    await both([StopMessage(content="x", source="a")])
    (noted,) = upstream.noted_stops(both) or []
    assert noted.source == "MaxMessageTermination"


@pytest.mark.parametrize(
    "cls",
    [AssistantAgent, CodeExecutorAgent, MessageFilterAgent, SocietyOfMindAgent, UserProxyAgent],
)
def test_agents_of_autogen_have_no_state_of_their_own(cls: type) -> None:
    """These save a model context, an inner team, or nothing."""
    assert not upstream.has_own_state(cls)


def test_agents_that_override_save_state_have_a_state() -> None:
    """A subclass with a `save_state` of its own has a state, and one without has none."""

    class Saving(AssistantAgent):
        async def save_state(self) -> dict[str, Any]:
            return {}

    class Plain(AssistantAgent):
        pass

    assert upstream.has_own_state(Saving)
    assert not upstream.has_own_state(Plain)
