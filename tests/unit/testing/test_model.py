"""The scripted model: what it answers, in which steps, and what a cancellation does to it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import AssistantMessage, CreateResult, LLMMessage, UserMessage

from supervisor.testing import ScriptedModel, TranscriptError, answers_so_far, calls

HELLO: list[LLMMessage] = [UserMessage(content="hello", source="user")]


def after(*answers: str) -> list[LLMMessage]:
    """Return a transcript in which these were said already."""
    return HELLO + [AssistantMessage(content=text, source="ann") for text in answers]


async def text_of(model: ScriptedModel, messages: Sequence[LLMMessage]) -> str:
    """Return what it answers."""
    result = await model.create(messages)
    assert isinstance(result.content, str)
    return result.content


async def test_the_transcript_says_which_answer_is_due() -> None:
    """A repeated request gets the same answer; the next transcript gets the next answer."""
    model = ScriptedModel(["first", "second"])
    assert [await text_of(model, HELLO) for _ in range(2)] == ["first", "first"]
    assert await text_of(model, after("first")) == "second"


async def test_a_script_that_has_ended_says_so() -> None:
    """One request too many is an error, not a repetition."""
    with pytest.raises(IndexError, match="has 1 answers"):
        await ScriptedModel(["only"]).create(after("only"))


async def test_functions_answer_by_the_transcript() -> None:
    """A function of the transcript is a script, or an answer of one; it may be a coroutine's."""

    async def count(messages: Sequence[LLMMessage]) -> str:
        await asyncio.sleep(0)
        return f"{answers_so_far(messages)} so far"

    assert await text_of(ScriptedModel(count), after("a", "b")) == "2 so far"
    assert await text_of(ScriptedModel(["a", count]), after("a")) == "1 so far"
    assert await text_of(ScriptedModel(lambda messages: "sync"), HELLO) == "sync"


async def test_without_a_script_the_answer_tells_what_was_given() -> None:
    """Transcripts that differ anywhere get different answers; equal ones get the same."""
    model = ScriptedModel()
    given = [HELLO, HELLO, after("a"), after("b")]
    one, same, other, third = [await text_of(model, messages) for messages in given]
    assert one == same
    assert len({one, other, third}) == 3


async def test_calls_get_ids_of_their_own() -> None:
    """Calls of two places differ in their ids; the same place always has the same."""
    model = ScriptedModel(lambda messages: calls("now", ("look_up", {"word": "stop"})))
    first, again, later = [await model.create(given) for given in (HELLO, HELLO, after("a"))]
    assert first.content == again.content
    assert first.finish_reason == "function_calls"
    assert isinstance(first.content, list)
    assert isinstance(later.content, list)
    assert [(call.name, call.arguments) for call in first.content] == [
        ("now", "{}"),
        ("look_up", '{"word": "stop"}'),
    ]
    assert len({call.id for call in first.content + later.content}) == 4


async def test_whole_results_and_given_ids_are_kept() -> None:
    """Whole results and given ids in the script are not changed."""
    result = await ScriptedModel(["x"]).create(HELLO)
    call = FunctionCall(id="mine", name="now", arguments="{}")
    model = ScriptedModel([result, [call]])
    assert await model.create(HELLO) is result
    assert (await model.create(after("x"))).content == [call]


async def test_an_exception_is_raised() -> None:
    """An exception in the script is raised, as if the provider had failed."""
    with pytest.raises(ConnectionError, match="gone"):
        await ScriptedModel([ConnectionError("gone")]).create(HELLO)


async def test_texts_come_in_words() -> None:
    """A stream gives the words, then the whole text, and the loop runs in between."""
    ran = 0

    async def count() -> None:
        nonlocal ran
        while True:
            await asyncio.sleep(0)
            ran += 1

    other = asyncio.create_task(count())
    chunks: list[Any] = []
    seen: list[int] = []
    async for chunk in ScriptedModel(["one two  three"], pause=2).create_stream(HELLO):
        chunks.append(chunk)
        seen.append(ran)
    other.cancel()
    await asyncio.wait([other])
    assert chunks[:-1] == ["one ", "two  ", "three"]
    assert isinstance(chunks[-1], CreateResult)
    assert chunks[-1].content == "one two  three"
    assert len(set(seen)) == len(seen)


async def test_a_malformed_transcript_is_refused() -> None:
    """The rules hold for each request, streamed or not, and the requests are recorded."""
    model = ScriptedModel()
    bad = [*HELLO, AssistantMessage(content=calls("now"), source="ann")]
    with pytest.raises(TranscriptError, match="followed at once"):
        await model.create(bad)
    with pytest.raises(TranscriptError, match="followed at once"):
        await anext(model.create_stream(bad))
    assert model.requests == [bad, bad]


async def test_the_rules_are_chosen() -> None:
    """`user_first` and `unique` are those of `check_transcript`."""
    starts = [AssistantMessage(content="I begin", source="ann")]
    await ScriptedModel(user_first=False).create(starts)
    with pytest.raises(TranscriptError, match="speak first"):
        await ScriptedModel().create(starts)
    with pytest.raises(TranscriptError, match="twice"):
        await ScriptedModel(unique=True).create(HELLO + HELLO)


@pytest.mark.parametrize("streams", [False, True])
async def test_a_request_ends_with_its_token(streams: bool) -> None:
    """The token cancels a request, as with OpenAI's client, even in the middle of a stream."""
    token = CancellationToken()
    model = ScriptedModel(["one two"], pause=3)
    asking = asyncio.create_task(_ask(model, token, streams))
    for _ in range(6 if streams else 2):
        await asyncio.sleep(0)
    token.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()


@pytest.mark.parametrize("by_token", [False, True])
async def test_one_that_raises_on_cancel(by_token: bool) -> None:
    """With `on_cancel="raise"` a cancellation becomes an ordinary error."""
    with pytest.raises(RuntimeError, match="torn down"):
        await _cancelled_amid("raise", by_token=by_token)


@pytest.mark.parametrize("by_token", [False, True])
async def test_one_that_swallows_a_cancel(by_token: bool) -> None:
    """With `on_cancel="swallow"` it answers in spite of a cancellation."""
    assert await _cancelled_amid("swallow", by_token=by_token) == "one two"


async def test_an_agent_takes_it_for_a_model() -> None:
    """The model works as the client of AutoGen's agent, tools included."""

    async def now() -> str:
        return "late"

    model = ScriptedModel([calls("now"), "It is late."])
    agent = AssistantAgent("ann", model, tools=[now], reflect_on_tool_use=True)
    result = await agent.run(task="What time is it?")
    assert result.messages[-1].to_text() == "It is late."
    assert len(model.requests) == 2
    assert model.remaining_tokens(HELLO) > model.count_tokens(HELLO) == 0
    assert model.total_usage() == model.actual_usage()
    assert not model.model_info["vision"]
    assert model.capabilities["function_calling"]
    await model.close()


async def _ask(model: ScriptedModel, token: CancellationToken, streams: bool) -> Any:
    if not streams:
        return (await model.create(HELLO, cancellation_token=token)).content
    return [chunk async for chunk in model.create_stream(HELLO, cancellation_token=token)]


async def _cancelled_amid(way: Literal["raise", "swallow"], *, by_token: bool) -> Any:
    token = CancellationToken()
    model = ScriptedModel(["one two"], pause=4, on_cancel=way)
    asking = asyncio.create_task(_ask(model, token, streams=False))
    for _ in range(3):
        await asyncio.sleep(0)
    if by_token:
        token.cancel()
    else:
        asking.cancel()
    return await asking
