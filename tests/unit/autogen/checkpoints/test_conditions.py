"""How far a condition has counted: as data, and in a fresh one that counts on from there."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from autogen_agentchat.base import TerminationCondition
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
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    HandoffMessage,
    StopMessage,
    TextMessage,
    ToolCallExecutionEvent,
)
from autogen_core.models import FunctionExecutionResult, RequestUsage
from hypothesis import given
from hypothesis import strategies as st

from supervisor._autogen.checkpoints.conditions import condition_state, put_condition_state
from supervisor._core.errors import CheckpointCorrupt
from supervisor._reports.log import reporter
from supervisor._reports.log_events import CONDITION_BEGINS_ANEW, CONDITION_NOT_KEPT

Item = BaseAgentEvent | BaseChatMessage


def _text(source: str = "a", content: str = "hello") -> TextMessage:
    usage = RequestUsage(prompt_tokens=3, completion_tokens=2)
    return TextMessage(content=content, source=source, models_usage=usage)


_RESULT = FunctionExecutionResult(content="r", name="f", call_id="1", is_error=False)
_BEFORE: list[Item] = [_text(), _text()]
_AFTER: list[Item] = [
    _text(),
    _text("b", "bye"),
    StopMessage(content="s", source="a"),
    HandoffMessage(content="h", source="a", target="x"),
    ToolCallExecutionEvent(source="a", content=[_RESULT]),
]


class _Every(TerminationCondition):
    """A condition of a user's: ends with every third message; keeps plain attributes."""

    def __init__(self, inner: TerminationCondition | None = None) -> None:
        self.seen = 0
        self.last: str | None = None
        self.inner = inner
        self.lock = object()

    @property
    def terminated(self) -> bool:
        return self.seen >= 3

    async def __call__(self, messages: Sequence[Item]) -> StopMessage | None:
        self.seen += len(messages)
        self.last = messages[-1].to_text()
        inner = await self.inner(messages) if self.inner is not None else None
        return StopMessage(content=f"third {self.last}", source="E") if self.terminated else inner

    async def reset(self) -> None:
        self.seen, self.last = 0, None


class _Saving(_Every):
    """A condition of a user's with a pair of methods of its own."""

    def save_state(self) -> dict[str, Any]:
        return {"n": [self.seen]}

    async def load_state(self, state: dict[str, Any]) -> None:
        (self.seen,) = state["n"]


class _Patient(MaxMessageTermination):
    """A subclass of AutoGen's."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.warnings = 0

    async def __call__(self, messages: Sequence[Item]) -> StopMessage | None:
        self.warnings += 1
        return await super().__call__(messages)


def _never(_: object) -> bool:
    return False


class _Several(_Every):
    """A condition of a user's with a list of others, of which it has one twice."""

    def __init__(self) -> None:
        one = MaxMessageTermination(4)
        super().__init__(one)
        self.others: list[object] = [one, _Every(), 1]

    @property
    def terminated(self) -> bool:
        return any(it.terminated for it in self._conditions())

    def _conditions(self) -> list[TerminationCondition]:
        return [it for it in self.others if isinstance(it, TerminationCondition)]

    async def __call__(self, messages: Sequence[Item]) -> StopMessage | None:
        found = [await it(messages) for it in self._conditions()]
        return next(filter(None, found), None)


class _Refusing(_Saving):
    """A condition of a user's that takes no state."""

    async def load_state(self, state: dict[str, Any]) -> None:
        raise ValueError("too old")


_MADE: dict[str, Callable[[], TerminationCondition]] = {
    "StopMessage": StopMessageTermination,
    "MaxMessage": lambda: MaxMessageTermination(4),
    "MaxMessage of events": lambda: MaxMessageTermination(4, include_agent_event=True),
    "TextMention": lambda: TextMentionTermination("bye"),
    "Functional": lambda: FunctionalTermination(_never),
    "TokenUsage": lambda: TokenUsageTermination(max_total_token=18),
    "Handoff": lambda: HandoffTermination("x"),
    "Timeout": lambda: TimeoutTermination(1000),
    "External": ExternalTermination,
    "SourceMatch": lambda: SourceMatchTermination(["b"]),
    "TextMessage": lambda: TextMessageTermination("b"),
    "FunctionCall": lambda: FunctionCallTermination("f"),
    "And": lambda: MaxMessageTermination(2) & TextMentionTermination("bye"),
    "Or": lambda: MaxMessageTermination(9) | TokenUsageTermination(max_total_token=18),
    "And of Or": lambda: (
        (MaxMessageTermination(2) | TextMentionTermination("zzz"))
        & (SourceMatchTermination(["b"]) & MaxMessageTermination(3))
    ),
    "a user's": _Every,
    "a user's around another": lambda: _Every(MaxMessageTermination(2) & _Every()),
    "a user's with a list": _Several,
    "a user's pair": _Saving,
    "a user's subclass": lambda: _Patient(4),
}


async def _said(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert await asyncio.to_thread(reporter.flush, 10)
    return [record.getMessage() for record in caplog.records]


def _moved(condition: TerminationCondition) -> Any:
    return json.loads(json.dumps(condition_state(condition)))


async def _fed(condition: TerminationCondition, messages: Sequence[Item]) -> list[str | None]:
    said: list[str | None] = []
    for message in messages:
        if condition.terminated:
            break
        stop = await condition([message])
        said.append(None if stop is None else f"{stop.source}: {stop.content}")
    return said


@pytest.mark.parametrize("name", _MADE)
async def test_fresh_condition_counts_on(name: str) -> None:
    """A fresh condition with the state of another one answers as that one does from there on."""
    for cut in (0, 1, 2):
        first, fresh = _MADE[name](), _MADE[name]()
        await _fed(first, _BEFORE[:cut])
        put_condition_state(fresh, _moved(first))
        assert _moved(fresh).keys() == _moved(first).keys()
        assert await _fed(fresh, _AFTER) == await _fed(first, _AFTER)
        assert fresh.terminated == first.terminated


async def test_external_that_was_set_stays_set() -> None:
    """What somebody has set from outside, and no turn has seen yet, is not lost."""
    first, fresh = ExternalTermination(), ExternalTermination()
    first.set()
    put_condition_state(fresh, _moved(first))
    assert await fresh([_text()]) is not None


async def test_function_of_a_functional_condition_is_not_called() -> None:
    """Neither to write the state nor to put it is the user's function called."""
    calls: list[int] = []

    def function(messages: Sequence[Item]) -> bool:
        calls.append(len(messages))
        return True

    condition = FunctionalTermination(function) & MaxMessageTermination(2)
    await condition([_text()])
    fresh = FunctionalTermination(function) & MaxMessageTermination(2)
    put_condition_state(fresh, _moved(condition))
    assert calls == [1]
    stop = await fresh([_text()])
    assert calls == [1]
    assert stop is not None
    assert "Functional" in stop.content


def test_timeout_counts_the_time_at_work() -> None:
    """A time-out goes on with what it had run for, whenever it is put."""
    first, fresh = TimeoutTermination(100), TimeoutTermination(100)
    first._start_time = time.monotonic() - 40
    data = _moved(first)
    first._start_time -= 1000  # time that passes while nobody works
    put_condition_state(fresh, data)
    assert 40 <= time.monotonic() - fresh._start_time < 70


async def test_settings_are_those_of_the_program() -> None:
    """A program that was deployed anew with another limit has that limit, and the old count."""
    first, fresh = _Patient(4), _Patient(40)
    await _fed(first, _BEFORE)
    put_condition_state(fresh, _moved(first))
    assert (fresh._max_messages, fresh._message_count, fresh.warnings) == (40, 2, 2)


async def test_condition_of_another_form_takes_what_fits(caplog: pytest.LogCaptureFixture) -> None:
    """Parts are found by their class where the form is another; what is new begins anew, once."""
    first = MaxMessageTermination(9) | TokenUsageTermination(max_total_token=99)
    await _fed(first, _BEFORE)
    most, stop = MaxMessageTermination(9), StopMessageTermination()
    fresh = (most | stop) | _Every()
    put_condition_state(fresh, _moved(first))
    assert most._message_count == 2
    assert await _said(caplog) == [CONDITION_BEGINS_ANEW.name]


async def test_condition_that_only_grows_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A condition that was put beside another one is no cause for a line: nothing kept is lost."""
    first = MaxMessageTermination(9)
    await _fed(first, _BEFORE)
    most = MaxMessageTermination(9)
    put_condition_state(most | StopMessageTermination(), _moved(first))
    assert most._message_count == 2
    assert not await _said(caplog)


async def test_save_state_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A condition whose `save_state` raises is left out; the others are kept."""

    class Failing(_Saving):
        def save_state(self) -> dict[str, Any]:
            raise OSError("no disk")

    first = Failing() | MaxMessageTermination(9)
    await _fed(first, _BEFORE)
    most = MaxMessageTermination(9)
    put_condition_state(Failing() | most, _moved(first))
    assert most._message_count == 2
    assert CONDITION_NOT_KEPT.name in await _said(caplog)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_KEYS = st.sampled_from(["", "/0", "/1", "/0/0", "/inner"])
_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "class": st.sampled_from(["MaxMessageTermination", "_Saving", "TimeoutTermination"])
        | _JSON,
        "fields": st.dictionaries(st.sampled_from(["_message_count", "__class__", "x"]), _JSON)
        | _JSON,
        "elapsed": _JSON,
        "stops": _JSON,
        "own": _JSON,
    },
)


@given(data=_JSON | st.dictionaries(_KEYS, _FIELDS | _JSON))
def test_other_data_is_corrupt(data: Any) -> None:
    """Data of any other form is put as far as it fits, or raises CheckpointCorrupt only."""
    condition = (MaxMessageTermination(3) | _Saving()) & TimeoutTermination(3)
    with suppress(CheckpointCorrupt):
        put_condition_state(condition, data)


def test_state_that_a_condition_refuses_is_corrupt() -> None:
    """The error names the condition, and says what it has raised."""
    data = condition_state(_Refusing())
    with pytest.raises(CheckpointCorrupt, match="_Refusing refuses its state: too old"):
        put_condition_state(_Refusing(), data, "r")


def test_fields_of_another_kind_are_left_as_they_are() -> None:
    """A count that is no number, as of another version of a class, is not taken."""
    data = condition_state(MaxMessageTermination(3))
    fields = data[""]["fields"]
    fields.update(dict.fromkeys(fields, "many"))
    condition = MaxMessageTermination(3)
    put_condition_state(condition, data)
    assert condition_state(condition) == condition_state(MaxMessageTermination(3))
