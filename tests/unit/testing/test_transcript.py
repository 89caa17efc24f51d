"""The transcript rules: what every provider accepts passes, and each rule can fail."""

from __future__ import annotations

import pickle

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from supervisor.testing import TranscriptError, check_transcript


def user(text: str = "hello") -> LLMMessage:
    """Return a message of the user."""
    return UserMessage(content=text, source="user")


def answer(text: str = "well") -> LLMMessage:
    """Return a message of the assistant."""
    return AssistantMessage(content=text, source="ann")


def wish(*ids: str) -> LLMMessage:
    """Return calls with these ids."""
    wanted = [FunctionCall(id=each, name="look_up", arguments="{}") for each in ids]
    return AssistantMessage(content=wanted, source="ann")


def results(*ids: str) -> LLMMessage:
    """Return results for these ids."""
    found = [FunctionExecutionResult(content="x", name="look_up", call_id=each) for each in ids]
    return FunctionExecutionResultMessage(content=found)


SYSTEM = SystemMessage(content="You are helpful.")

RIGHT: dict[str, list[LLMMessage]] = {
    "a question": [SYSTEM, user()],
    "a talk": [user(), answer(), user(), answer()],
    "a call": [user(), wish("1"), results("1"), answer()],
    "parallel calls": [user(), wish("1", "2"), results("2", "1"), user()],
    "results one by one": [user(), wish("1", "2"), results("1"), results("2"), answer()],
    "calls twice": [user(), wish("1"), results("1"), wish("2"), results("2")],
}
WRONG: dict[str, tuple[list[LLMMessage], str]] = {
    "open call": ([user(), wish("1")], "1 of message 1 .* is not"),
    "one of two open": ([user(), wish("1", "2"), results("1")], "2 of message 1 .* is not"),
    "something between": ([user(), wish("1"), user("but"), results("1")], "1 of message 1"),
    "result without call": ([user(), results("1")], "directly behind its call: message 1"),
    "result of another call": ([user(), wish("1"), results("2", "1")], "2 behind message 1"),
    "result too late": (
        [user(), wish("1"), results("1"), answer(), results("1")],
        "message 4 .* answers 1",
    ),
    "two results": ([user(), wish("1"), results("1"), results("1")], "1 of message 1 .* more"),
    "id used again": (
        [user(), wish("1"), results("1"), wish("1"), results("1")],
        "message 3 .* uses 1 again",
    ),
    "id used at once": ([user(), wish("1", "1"), results("1")], "uses 1 again"),
    "empty text": ([user(), answer(" ")], "must not be empty: message 1"),
    "no calls": ([user(), wish()], "must not be empty: message 1"),
    "assistant first": ([SYSTEM, answer(), user()], "user must speak first: message 1"),
    "nobody speaks": ([SYSTEM], "nobody but the system"),
}


@pytest.mark.parametrize("messages", RIGHT.values(), ids=list(RIGHT))
def test_right_ones_pass(messages: list[LLMMessage]) -> None:
    """A transcript that all providers accept is not refused."""
    check_transcript(messages, unique=len({str(m) for m in messages}) == len(messages))


@pytest.mark.parametrize(("messages", "said"), WRONG.values(), ids=list(WRONG))
def test_each_rule_refuses(messages: list[LLMMessage], said: str) -> None:
    """A transcript that breaks one rule is refused, and the error names the place."""
    with pytest.raises(TranscriptError, match=said):
        check_transcript(messages)


def test_who_speaks_first_is_anthropics_rule_alone() -> None:
    """Without `user_first`, the assistant may begin."""
    check_transcript([answer(), user()], user_first=False)


def test_a_message_given_twice_is_found_where_asked() -> None:
    """`unique` refuses two equal messages of users, wherever they are."""
    messages = [user(), answer(), user("more"), user()]
    check_transcript(messages)
    with pytest.raises(TranscriptError, match="given twice: message 3"):
        check_transcript(messages, unique=True)


def test_two_agents_may_say_the_same() -> None:
    """Messages of two sources are two messages."""
    both = [UserMessage(content="yes", source=name) for name in ("ann", "bob")]
    check_transcript(both, unique=True)


def test_the_error_survives_pickle() -> None:
    """The error survives pickle, so it can come from another process."""
    error = pickle.loads(pickle.dumps(TranscriptError("rule", "place")))
    assert (error.rule, error.place, str(error)) == ("rule", "place", "rule: place")


def test_each_call_has_an_id_of_its_own() -> None:
    """A provider refuses two calls with one id, also in two messages."""
    again = [user(), wish("1"), results("1"), wish("1"), results("1")]
    with pytest.raises(TranscriptError, match="no two calls may have one id"):
        check_transcript(again)
