"""The status line, the result line, and their amounts."""

from __future__ import annotations

from typing import Any

import pytest
from autogen_agentchat.messages import (
    ModelClientStreamingChunkEvent,
    TextMessage,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    UserInputRequestedEvent,
)
from autogen_core import FunctionCall
from autogen_core.models import FunctionExecutionResult, RequestUsage

from supervisor._cli.output import amounts
from supervisor._cli.output.result_line import result_line
from supervisor._cli.output.status_line import StatusLine
from supervisor._reports.outcome import Failure, Outcome, Usage


class Facts:
    """What the status line asks for, and a clock that is set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.progress: str | None = None
        self.agents: list[str] = []
        self.line = StatusLine(lambda: self.progress, lambda: self.agents, clock=lambda: self.now)
        self.line.begin()

    def after(self, *events: object, seconds: float = 3.2) -> str:
        """Return the text some seconds after the last of these events."""
        for event in events:
            self.line.event(event)
        self.now += seconds
        return self.line.text()


def text(source: str, tokens: int = 0) -> TextMessage:
    """Return a message that has cost so many tokens."""
    usage = RequestUsage(prompt_tokens=tokens - 1, completion_tokens=1) if tokens else None
    return TextMessage(source=source, content="hi", models_usage=usage)


def test_it_tells_the_agent_the_time_and_the_tokens() -> None:
    """Who has said something last, the seconds since the beginning, the tokens of all messages."""
    facts = Facts()
    assert facts.after() == "3 s"
    assert facts.after(ModelClientStreamingChunkEvent(source="ann", content="h")) == "ann · 6 s"
    first = text("ann", 1000)
    assert facts.after(first, first, text("bob", 234)) == "bob · 9 s · 1,234 tokens"
    assert facts.after(seconds=100) == "bob · 1 min 49 s · 1,234 tokens"


def test_the_supervisor_knows_better_who_is_at_work() -> None:
    """The agents whose turn it is are named, though they have said nothing yet."""
    facts = Facts()
    facts.agents = ["bob", "carl", "bob"]
    assert facts.after(text("ann")) == "bob, carl · 3 s"


def test_it_tells_which_tools_are_called() -> None:
    """From the request until the result."""
    facts = Facts()
    call = FunctionCall(id="1", name="search", arguments="{}")
    result = FunctionExecutionResult(call_id="1", name="search", content="", is_error=False)
    asked = ToolCallRequestEvent(source="ann", content=[call])
    assert facts.after(asked) == "ann calls search · 3 s"
    assert facts.after(ToolCallExecutionEvent(source="ann", content=[result])) == "ann · 6 s"


def test_a_stop_takes_the_line_over() -> None:
    """What the stop does now stands there alone; at the end of the process, nothing does."""
    facts = Facts()
    facts.progress = "SIGINT: cancelling 'ann\x1b[2J' (1.4 s left)."
    assert facts.after(text("ann")) == "SIGINT: cancelling 'ann␛[2J' (1.4 s left)."
    facts.progress = ""
    assert facts.after() == ""


def test_nothing_stands_below_a_question() -> None:
    """While a person is asked, the line below is theirs to type over."""
    facts = Facts()
    assert facts.after(UserInputRequestedEvent(source="me", request_id="1")) == ""
    assert facts.after(text("me")) == "me · 6 s"


@pytest.mark.parametrize("event", [17, None, object()])
def test_unknown_events_are_left_alone(event: object) -> None:
    """Whatever comes, the line stays."""
    assert Facts().after(text("ann"), event) == "ann · 3 s"


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (
            {"status": "stopped", "stop_reason": "Stopped by SIGINT", "messages": 4},
            "Stopped by SIGINT; 4 messages and events kept, 2.1 s, 1,234 tokens",
        ),
        (
            {"status": "finished", "stop_reason": "Enough said.", "messages": 1},
            "Finished: Enough said; 1 message, 2.1 s, 1,234 tokens",
        ),
        ({"status": "finished"}, "Finished; 0 messages, 2.1 s, 1,234 tokens"),
        (
            {"status": "timed_out", "stop_reason": "Stopped after 60 s", "messages": 2},
            "Stopped after 60 s; 2 messages and events kept, 2.1 s, 1,234 tokens",
        ),
        (
            {
                "status": "failed",
                "error": Failure(type="ValueError", message="no\x1bway\nTraceback"),
            },
            "Failed: ValueError: no␛way; 0 messages kept, 2.1 s, 1,234 tokens",
        ),
        (
            {"status": "abandoned", "stop_reason": "SIGTERM", "messages": 1},
            "SIGTERM, and abandoned what refused to stop; 1 message kept, 2.1 s, 1,234 tokens",
        ),
    ],
)
def test_the_last_line_tells_how_it_has_ended(outcome: dict[str, Any], line: str) -> None:
    """How, what there is of it, how long it took, and what it has cost."""
    usage = Usage(prompt_tokens=1000, completion_tokens=234)
    assert result_line(Outcome(seconds=2.12, usage=usage, **outcome)) == line


def test_tokens_that_nobody_counted_are_left_out() -> None:
    """A model that does not tell has not cost nothing."""
    assert result_line(Outcome(status="finished")) == "Finished; 0 messages, 0.0 s"


def test_amounts_are_in_words() -> None:
    """A thing, two things; seconds, and minutes."""
    assert [amounts.count(n, "token") for n in (0, 1, 2345)] == [
        "0 tokens",
        "1 token",
        "2,345 tokens",
    ]
    assert [amounts.seconds(s) for s in (-1, 1.25, 59.9, 61, 3600)] == [
        "0.0 s",
        "1.2 s",
        "59.9 s",
        "1 min 1 s",
        "60 min 0 s",
    ]
    assert [amounts.whole_seconds(s) for s in (1.9, 61)] == ["1 s", "1 min 1 s"]
