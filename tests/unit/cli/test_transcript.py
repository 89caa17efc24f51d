"""The text that a person gets for each event of a run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    CodeExecutionEvent,
    CodeGenerationEvent,
    HandoffMessage,
    MemoryQueryEvent,
    ModelClientStreamingChunkEvent,
    MultiModalMessage,
    SelectorEvent,
    SelectSpeakerEvent,
    StopMessage,
    StructuredMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    ToolCallSummaryMessage,
    UserInputRequestedEvent,
)
from autogen_core import FunctionCall, Image
from autogen_core.code_executor import CodeResult
from autogen_core.memory import MemoryContent
from autogen_core.models import FunctionExecutionResult, UserMessage
from PIL import Image as Picture
from pydantic import BaseModel

from supervisor._autogen.history.tool_calls import interrupted
from supervisor._cli.output.transcript import Transcript

END = TaskResult(messages=[], stop_reason="enough")


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def chunk(source: str, text: str, message_id: str | None = None) -> BaseAgentEvent:
    """Return a part of a message."""
    return ModelClientStreamingChunkEvent(source=source, content=text, full_message_id=message_id)


def text(source: str, content: str, **more: Any) -> BaseChatMessage:
    """Return a message."""
    return TextMessage(source=source, content=content, **more)


def calls(source: str, **tools: str) -> BaseAgentEvent:
    """Return a request for tools, each with its arguments; its name is its id, too."""
    content = [FunctionCall(id=name, name=name, arguments=given) for name, given in tools.items()]
    return ToolCallRequestEvent(source=source, content=content)


def results(source: str, *, is_error: bool = False, **tools: str) -> BaseAgentEvent:
    """Return what these tools have returned."""
    content = [
        FunctionExecutionResult(call_id=name, name=name, content=said, is_error=is_error)
        for name, said in tools.items()
    ]
    return ToolCallExecutionEvent(source=source, content=content)


def shown(*events: object, width: int | None = 80, verbose: bool = False) -> str:
    """Return the transcript of these events, without colours."""
    transcript = Transcript(width, color=False, verbose=verbose)
    return "".join(map(transcript.render, events))


# --- what is streamed -----------------------------------------------------------------------------


def test_chunks_appear_as_they_come() -> None:
    """Each chunk is in the text at once, below one heading."""
    transcript = Transcript(80, color=False)
    said = [transcript.render(chunk("ann", part)) for part in ("To be", " or", " not")]
    assert said == ["ann\nTo be", " or", " not"]
    assert transcript.is_line_open


def test_an_empty_chunk_shows_nothing() -> None:
    """A model that begins with one has said nothing yet, so nobody is named."""
    assert shown(chunk("ann", "")) == ""
    assert shown(chunk("ann", ""), chunk("ann", "To be")) == "ann\nTo be"


@pytest.mark.parametrize(
    ("parts", "final"),
    [
        (["To be ", "or not"], "To be or not"),
        (["To be\r", "\nor not\n"], "To be\nor not"),
        (["To be or not  "], "To be or not"),
        (["<think>hm</think>", "To be"], "To be"),
    ],
)
def test_a_message_that_was_streamed_is_not_shown_again(parts: list[str], final: str) -> None:
    """The message that the chunks make up adds nothing but the end of its line."""
    streamed = shown(*(chunk("ann", part) for part in parts))
    whole = shown(*(chunk("ann", part) for part in parts), text("ann", final))
    assert whole.rstrip("\n") == streamed.rstrip("\n")
    assert whole.endswith("\n")


def test_a_message_that_differs_from_its_chunks_is_shown() -> None:
    """An agent that has thought better of what it streamed is not hidden."""
    said = shown(chunk("ann", "draft"), text("ann", "final"), text("ann", "more"))
    assert said == "ann\ndraft\nfinal\nmore\n"


def test_a_structured_message_is_known_by_its_id() -> None:
    """JSON that was streamed with other spaces is the same message."""
    final = StructuredMessage[Content](source="ann", content=Content(n=1))
    assert shown(chunk("ann", '{ "n": 1 }', final.id), final) == 'ann\n{ "n": 1 }\n'
    assert shown(final) == 'ann\n{"n":1}\n'


def test_a_message_that_was_streamed_around_a_tool_call_is_not_shown_again() -> None:
    """Whether the message has all that was streamed, or what came after the call."""
    around = [
        chunk("ann", "Let me see: "),
        calls("ann", t="{}"),
        results("ann", t="x"),
        chunk("ann", "done"),
    ]
    for final in ("Let me see: done", "done"):
        said = shown(*around, text("ann", final)).splitlines()
        assert said == ["ann", "Let me see: ", said[2], "done"]
    assert shown(*around[:3], text("ann", "see: ")).endswith("see: \n")


def test_agents_that_stream_at_once_do_not_mix() -> None:
    """One has the floor until its message is complete; then come the words of the next."""
    said = shown(
        chunk("ann", "a1 "),
        chunk("bob", "b1 "),
        chunk("ann", "a2"),
        chunk("bob", "b2"),
        text("ann", "a1 a2"),
        chunk("bob", " b3"),
        text("bob", "b1 b2 b3"),
    )
    assert said == "ann\na1 a2\n\nbob\nb1 b2 b3\n"


def test_a_silent_agent_loses_the_floor() -> None:
    """Whoever streams while the other has said nothing for a second is heard."""
    clock = Clock()
    transcript = Transcript(80, color=False, clock=clock)
    said = transcript.render(chunk("ann", "a1"))
    clock.now = 0.9
    said += transcript.render(chunk("bob", "b1"))
    clock.now = 1.1
    said += transcript.render(chunk("bob", "b2"))
    assert said == "ann\na1\n\nbob\nb1b2"


def test_an_interrupted_stream_ends_its_line_and_loses_nothing() -> None:
    """What others have streamed meanwhile, without the floor, is shown at the end."""
    said = shown(chunk("ann", "half a sent"), chunk("bob", "waiting"), END)
    assert said == "ann\nhalf a sent\n\nbob\nwaiting\n"
    assert shown(END) == ""


# --- tool calls -----------------------------------------------------------------------------------


def test_a_tool_call_is_a_line_with_its_time() -> None:
    """The line has name, arguments and seconds; what the tool returned is not in it."""
    clock = Clock()
    transcript = Transcript(80, color=False, clock=clock)
    said = transcript.render(calls("ann", search='{"query": "cats", "n": 3}'))
    clock.now = 1.23
    said += transcript.render(results("ann", search="found"))
    assert said == 'ann\n⚙ search(query="cats", n=3) 1.2 s\n'


def test_two_calls_with_one_id_are_two_lines() -> None:
    """Models may use an id twice; the results are in the order of the calls."""
    pair = [FunctionCall(id="1", name="pay", arguments=f'{{"x": {x}}}') for x in (1, 2)]
    paid = FunctionExecutionResult(content="paid", name="pay", call_id="1", is_error=False)
    said = shown(
        ToolCallRequestEvent(source="ann", content=pair),
        ToolCallExecutionEvent(source="ann", content=[paid, paid]),
    )
    assert "pay(x=1)" in said
    assert "pay(x=2)" in said


def test_a_failed_call_says_so_and_why() -> None:
    """A tool that raised has the first words of its error in the line."""
    said = shown(calls("ann", search="{}"), results("ann", search="No\nnet", is_error=True))
    assert re.fullmatch(r"ann\n⚙ search\(\) failed after 0\.\d s: No net\n", said)


def test_results_are_shown_on_demand() -> None:
    """With verbose, all that the tool returned stands below its line."""
    found = "\n".join(map(str, range(20)))
    said = shown(calls("ann", search="{}"), results("ann", search=found), verbose=True)
    assert said.splitlines()[2:] == [f"  {n}" for n in range(20)]


def test_a_call_without_a_result_was_interrupted() -> None:
    """At the end of a run, the calls that are still open are shown, once."""
    said = shown(calls("ann", slow="{}"), END, END)
    assert re.fullmatch(r"ann\n⚙ slow\(\) interrupted after 0\.\d s\n", said)


def test_a_call_that_a_stop_has_closed_was_interrupted() -> None:
    """The result that the supervisor gives an open call is no failure of the tool."""
    wanted = FunctionCall(id="slow", name="slow", arguments="{}")
    closed = interrupted(wanted, has_begun=True)
    said = shown(
        calls("ann", slow="{}"), ToolCallExecutionEvent(source="ann", content=[closed]), END
    )
    assert re.fullmatch(r"ann\n⚙ slow\(\) interrupted after 0\.\d s\n", said)


@pytest.mark.parametrize("arguments", ["{nope", "[1]", "", "{" * 100_000, '{"a": "' + "x" * 1000])
def test_arguments_that_are_no_object_are_shown_as_they_are(arguments: str) -> None:
    """A model may write anything; it is cut to the width."""
    said = shown(calls("ann", t=arguments), results("ann", t=""), width=40)
    assert said.startswith("ann\n⚙ t(")
    assert all(len(line) <= 40 for line in said.splitlines())


@pytest.mark.parametrize("width", [20, 40])
def test_a_narrow_line_keeps_its_time(width: int) -> None:
    """A call that does not fit is cut in its arguments, by cells and not by characters."""
    said = shown(
        calls("ann", search='{"query": "日本語日本語日本語"}'),
        results("ann", search=""),
        width=width,
    )
    line = said.splitlines()[1]
    cells = sum(2 if character > "\u2fff" else 1 for character in line)
    assert cells <= width
    assert re.search(r"… 0\.\d s$", line)


# --- every kind of event --------------------------------------------------------------------------


class Content(BaseModel):
    """What a structured message has."""

    n: int


class OwnEvent(BaseAgentEvent):
    """An event of a user's class, whose text cannot be had."""

    def to_text(self) -> str:
        """Raise."""
        raise ValueError("no text")


class Own:
    """An event of another framework's.

    Args:
        text: What its `to_text` returns.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def to_text(self) -> str:
        """Return it."""
        return self.text


class OwnMessage(BaseChatMessage):
    """A message of a user's class."""

    def to_text(self) -> str:
        """Return its text."""
        return "own words"

    def to_model_text(self) -> str:
        """Return nothing."""
        return ""

    def to_model_message(self) -> UserMessage:
        """Raise: it is not called."""
        raise NotImplementedError


class Hostile:
    """An object that refuses everything."""

    @property
    def source(self) -> str:
        """Raise."""
        raise RuntimeError

    def __repr__(self) -> str:
        raise RuntimeError


CODE = CodeResult(exit_code=1, output="\n".join(map(str, range(12))))
PICTURE = Image(Picture.new("RGB", (1, 1)))


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (text("ann", "Hello\n"), ["ann", "Hello"]),
        (StopMessage(source="ann", content="Bye"), ["ann", "Bye"]),
        (
            ToolCallSummaryMessage(source="ann", content="Sun", tool_calls=[], results=[]),
            ["ann", "Sun"],
        ),
        (HandoffMessage(source="ann", target="bob", content="Over."), ["ann", "→ bob  Over."]),
        (ThoughtEvent(source="ann", content="hm\nso"), ["ann", "│ hm", "│ so"]),
        (MultiModalMessage(source="ann", content=["See", PICTURE]), ["ann", "See", "<image>"]),
        (
            CodeGenerationEvent(
                source="ann", content="```\n1\n```", code_blocks=[], retry_attempt=0
            ),
            ["ann", "```", "1", "```"],
        ),
        (
            CodeExecutionEvent(source="ann", result=CODE, retry_attempt=0),
            ["ann", "⚙ code exited with 1", *(f"  {n}" for n in range(10)), "  … 2 lines more"],
        ),
        (
            MemoryQueryEvent(
                source="ann", content=[MemoryContent(content="x", mime_type="text/plain")]
            ),
            ["ann", "· recalls 1 from memory"],
        ),
        (SelectSpeakerEvent(source="m", content=["ann", "bob"]), ["m", "· next: ann, bob"]),
        (SelectorEvent(source="m", content="ann"), ["m", "│ ann"]),
        (UserInputRequestedEvent(source="me", request_id="1"), ["me"]),
        (TextMessage(source="ann", content=""), ["ann"]),
        (Own("one\ntwo"), ["· Own", "  one", "  two"]),
        (OwnMessage(source="ann"), ["ann", "own words"]),
        (
            OwnEvent(source="ann"),
            ["ann", "· OwnEvent: (OwnEvent has no text: its to_text() raised ValueError)"],
        ),
        (17, ["· int: 17"]),
        (Hostile(), ["· Hostile cannot be shown: RuntimeError"]),
    ],
)
def test_each_kind_of_event_has_its_lines(event: object, lines: list[str]) -> None:
    """Every class of AutoGen's, and whatever else comes, is shown; nothing raises."""
    assert shown(event).splitlines() == lines


def test_a_thought_that_was_streamed_is_not_shown_again() -> None:
    """A model's text before its tool call comes as chunks, and then as a thought."""
    said = shown(chunk("ann", "Let me see"), ThoughtEvent(source="ann", content="Let me see"))
    assert said == "ann\nLet me see"


def test_nothing_of_an_agent_controls_the_terminal() -> None:
    """Names, texts, tools and their arguments have no control character left."""
    evil = "\x1b[2J\r\x07"
    events = [
        text(f"ann{evil}", evil),
        chunk(f"bob{evil}", evil),
        calls(f"bob{evil}", t=f'{{"{evil}": 1}}'),
        results(f"bob{evil}", t=evil, is_error=True),
        HandoffMessage(source=f"ann{evil}", target=evil, content=evil),
        SelectSpeakerEvent(source=f"m{evil}", content=[evil]),
        OwnEvent(source=evil),
    ]
    assert not set(shown(*events, END, verbose=True)) & set("\x1b\r\x07")


def test_a_speaker_is_named_once() -> None:
    """Messages of the same agent stand below one heading; a run after it begins anew."""
    said = shown(text("ann", "1"), text("ann", "2"), text("bob", "3"), END, text("bob", "4"))
    assert said == "ann\n1\n2\n\nbob\n3\n\nbob\n4\n"


# --- colours --------------------------------------------------------------------------------------


def test_an_agent_has_its_color_and_others_have_another() -> None:
    """The colour of an agent is the same in each run; six agents have six."""
    names = [f"agent{n}" for n in range(6)]
    first, second = (headings(names), headings(names))
    assert first == second
    assert len({code for code, _ in first}) == len(names)


def headings(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the colour codes and the names of the headings of these agents."""
    transcript = Transcript(80, color=True)
    said = "".join(transcript.render(text(name, "hi")) for name in names)
    return re.findall(r"\x1b\[([\d;]+)m(\w+)\x1b\[0m\nhi", said)


def test_colors_change_nothing_but_colors() -> None:
    """Without its escape sequences a coloured text is the plain one."""
    events = [chunk("ann", "a"), calls("ann", t="{}"), results("ann", t="x", is_error=True), END]
    transcript = Transcript(80, color=True, clock=Clock())
    colored = "".join(map(transcript.render, events))
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == shown(*events)
    assert "\x1b" in colored


def test_memories_are_shown_where_all_is_wanted() -> None:
    """With `verbose`, each memory has its line."""
    found = [MemoryContent(content=each, mime_type="text/plain") for each in ("one", "t\nwo")]
    event = MemoryQueryEvent(source="ann", content=found)
    said = shown(event, verbose=True)
    assert said.splitlines() == ["ann", "· recalls 2 from memory", "  one", "  t wo"]


def test_a_message_replaces_what_was_not_shown_of_its_stream() -> None:
    """Of an agent that streamed while another did, the message alone is shown."""
    said = shown(chunk("ann", "To be"), chunk("bob", "dra"), text("bob", "final"))
    assert said == "ann\nTo be\n\nbob\nfinal\n"
