"""What agents remember after a stop: turns undone, tool calls kept and closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import (
    AssistantAgent,
    MessageFilterAgent,
    MessageFilterConfig,
    PerSourceFilter,
)
from autogen_agentchat.messages import HandoffMessage, TextMessage
from autogen_agentchat.tools import AgentTool
from autogen_core import FunctionCall
from autogen_core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from supervisor._autogen.history.memory import (
    MemorySavepoint,
    close_calls,
    count_taken,
    holds_results,
)
from supervisor.testing import ScriptedModel, ToolLog, answers_so_far, calls, check_transcript
from supervisor.testing._settled import said
from tests.unit.autogen.checks import contents
from tests.unit.autogen.history.tools import Tools, context_of, results
from tests.unit.autogen.stops import Moment, at_each_step, go_on, requests, speaker, stopped
from tests.unit.testing.teams import Keeper, round_robin, seeker, swarm

pytestmark = pytest.mark.one_loop

# -- calls of tools -----------------------------------------------------------------------------


async def test_a_finished_call_is_not_made_again() -> None:
    """The result of a call that had ended is kept; the turn goes on after it."""
    tools = Tools()
    ann = tools.agent(calls("quick"), calls("slow"), "found", max_tool_iterations=3)
    team = round_robin(ann, speaker("bob"))
    await stopped(team, tools.moment)
    kept, interrupted = results(context_of(ann))
    assert (kept.content, kept.is_error) == ("quick done", False)
    assert "Interrupted" in interrupted.content
    assert interrupted.is_error
    assert contents(await go_on(team)) == ["found", "bob 0"]
    assert tools.called == ["quick", "slow"]


async def test_the_open_one_of_parallel_calls_is_closed() -> None:
    """Of two parallel calls, the finished one keeps its result; the open one is closed."""
    tools = Tools()
    ann = tools.agent(calls("quick", "slow"), "found", reflect_on_tool_use=True)
    team = round_robin(ann, speaker("bob"))
    await stopped(team, tools.moment)
    first, second = results(context_of(ann))
    assert (first.name, first.content) == ("quick", "quick done")
    assert second.name == "slow"
    assert second.content.startswith("Interrupted")
    assert "may have taken effect" in second.content
    await go_on(team)
    assert tools.called == ["quick", "slow"]


async def test_a_closed_call_can_be_made_again_by_the_model() -> None:
    """The model learns what was interrupted, and may call the tool once more."""
    tools = Tools()
    ann = tools.agent(calls("slow"), calls("slow"), "found", max_tool_iterations=2)
    await stopped(round_robin(ann, turns=1), tools.moment)
    team = round_robin(ann, turns=1)
    await go_on(team, "again")
    assert tools.called == ["slow", "slow"]
    assert [result.content for result in results(context_of(ann))][1] == "slow done"


async def test_a_call_that_did_not_start_is_taken_back() -> None:
    """Where no tool was reached the turn is undone; where one was, its call has a result."""
    outcomes: set[int] = set()
    log = ToolLog()

    def make() -> Any:
        log.clear()
        return round_robin(seeker(log, "ann"), speaker("bob"))

    async for team, _ in at_each_step(make):
        ann = team._participants[0]
        assert isinstance(ann, AssistantAgent)
        held = context_of(ann)
        check_transcript(held, user_first=False)
        started = len(log.started)
        outcomes.add(started)
        if started == 0:
            assert not results(held)
            assert not any(isinstance(message, AssistantMessage) for message in held)
        else:
            assert len(results(held)) == 2
    assert outcomes >= {0, 1, 2}


async def test_a_finished_call_is_known_while_the_agent_reflects() -> None:
    """Interrupted as it sums up its tools' results, an agent sums up again, and calls none."""
    tools, moment = Tools(), Moment()

    async def reply(messages: Sequence[LLMMessage]) -> Any:
        if answers_so_far(messages) == 0:
            return calls("quick")
        await moment.wait()
        return "found"

    ann = tools.agent(reply, reply, reflect_on_tool_use=True)
    team = round_robin(ann, speaker("bob"))
    await stopped(team, moment)
    assert contents(await go_on(team)) == ["found", "bob 0"]
    assert tools.called == ["quick"]


async def test_a_handoff_is_taken_back() -> None:
    """A handoff does nothing by itself: an interrupted turn that made one is undone."""
    async for team, _ in at_each_step(swarm, every=2):
        for member in team._participants:
            assert isinstance(member, AssistantAgent)
            texts = [result.content for result in results(context_of(member))]
            assert not any("Interrupted" in text for text in texts)


async def test_a_call_of_an_agent_as_a_tool_is_closed() -> None:
    """The call of an agent as a tool is closed, and not made again, if the agent was at work."""
    moment = Moment()
    inner = speaker("inner", moment)

    def reply(messages: Sequence[LLMMessage]) -> Any:
        is_first = answers_so_far(messages) == 0
        return calls(("inner", {"task": "a question"})) if is_first else "asked"

    ann = AssistantAgent("ann", ScriptedModel(reply), tools=[AgentTool(inner)])
    team = round_robin(ann, speaker("bob"))
    await stopped(team, moment)
    assert [result.name for result in results(context_of(ann))] == ["inner"]
    assert contents(await go_on(team)) == ["asked", "bob 0"]
    assert len(requests(inner)) == 1


async def test_a_saved_state_holds_no_open_call() -> None:
    """The state that is saved after a stop can be loaded, and a strict model accepts it."""
    tools, others = Tools(), Tools()
    script = (calls("quick", "slow"), "found")
    team = round_robin(tools.agent(*script), speaker("bob"))
    await stopped(team, tools.moment)
    fresh = others.agent(*script)
    other = round_robin(fresh, speaker("bob"))
    await other.load_state(await team.save_state())
    assert contents(await go_on(other)) == ["found", "bob 0"]
    assert others.called == []
    assert len(results(context_of(fresh))) == 2


# -- agents on their own ------------------------------------------------------------------------


async def test_a_single_agent_keeps_its_task_and_forgets_its_turn() -> None:
    """Stopped as it answers, an agent holds the task, and answers without being given it again."""
    moment = Moment()
    ann = speaker("ann", moment)
    assert contents(await stopped(ann, moment)) == ["go"]
    assert [message.content for message in context_of(ann)] == ["go"]
    assert contents(await go_on(ann)) == ["ann 0"]


async def test_a_single_agent_goes_on_behind_its_tools() -> None:
    """Stopped in a tool, it keeps what was called; the next run makes no finished call again."""
    tools = Tools()
    ann = tools.agent(calls("quick"), calls("slow"), "found", max_tool_iterations=3)
    await stopped(ann, tools.moment)
    assert len(results(context_of(ann))) == 2
    assert contents(await go_on(ann)) == ["found"]
    assert tools.called == ["quick", "slow"]


async def test_a_single_agent_without_a_context_is_as_before() -> None:
    """A user's agent that keeps lists of messages has forgotten the interrupted turn."""

    class Slow(Keeper):
        moment: Moment

        async def on_messages(self, messages: Any, cancellation_token: Any) -> Any:
            self.heard.extend(messages)
            await self.moment.wait()
            return await super().on_messages([], cancellation_token)

    ann = Slow("ann")
    ann.moment = Moment()
    await stopped(ann, ann.moment)
    assert ann.heard == []


# -- what is rewound ----------------------------------------------------------------------------


async def test_a_wrapped_agent_is_rewound() -> None:
    """The agent within a `MessageFilterAgent` forgets its interrupted turn as well."""
    moment = Moment()
    ann = speaker("ann", moment)
    rule = MessageFilterConfig(per_source=[PerSourceFilter(source="bob", position="last", count=1)])
    team = round_robin(speaker("bob"), MessageFilterAgent("filter", ann, rule))
    await stopped(team, moment)
    assert context_of(ann) == []
    await go_on(team)
    assert [message.content for message in requests(ann)[-1][-1:]] == ["bob 0"]


class _Elsewhere(ChatCompletionContext):
    """A user's context that keeps its messages in an unknown place."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[int, LLMMessage] = {}

    async def add_message(self, message: LLMMessage) -> None:
        self.kept[len(self.kept)] = message

    async def get_messages(self) -> list[LLMMessage]:
        return list(self.kept.values())

    async def clear(self) -> None:
        self.kept.clear()

    async def save_state(self) -> Mapping[str, Any]:
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        pass


class _Listed(_Elsewhere):
    """A user's context that keeps its messages in a list of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.mine: list[LLMMessage] = []

    async def add_message(self, message: LLMMessage) -> None:
        self.mine.append(message)

    async def get_messages(self) -> list[LLMMessage]:
        return list(self.mine)


@pytest.mark.parametrize("make", [_Elsewhere, _Listed])
async def test_a_context_that_cannot_be_rewound_is_not_given_twice(
    make: Callable[[], ChatCompletionContext],
) -> None:
    """An agent whose context cannot be rewound is not given again what it remembers."""
    moment = Moment()
    ann = speaker("ann", moment, model_context=make())
    team = round_robin(ann, speaker("bob"))
    await stopped(team, moment)
    await go_on(team)
    for request in requests(ann):
        check_transcript(request, unique=True)
    assert [message.content for message in requests(ann)[1]] == ["go"]


async def test_a_savepoint_rewinds_contexts_and_lists() -> None:
    """Everything added since the savepoint is gone, in the same lists; nothing else changes."""
    context, keeper = UnboundedChatCompletionContext(), Keeper("ann")
    first, second = UserMessage(content="1", source="user"), UserMessage(content="2", source="user")
    await context.add_message(first)
    heard = keeper.heard
    marks = MemorySavepoint([context, keeper])
    await context.add_message(second)
    heard.append(TextMessage(content="x", source="user"))
    assert marks.is_whole
    assert marks.added() == [[second]]
    marks.rewind()
    assert context._messages == [first]
    assert keeper.heard is heard
    assert heard == []


async def test_a_savepoint_survives_a_context_that_was_cleared() -> None:
    """A context that was cleared since holds again what it held at the savepoint."""
    context = UnboundedChatCompletionContext()
    message = UserMessage(content="1", source="user")
    await context.add_message(message)
    marks = MemorySavepoint([context])
    await context.clear()
    assert marks.added() == [[]]
    marks.rewind()
    assert context._messages == [message]


async def test_the_task_that_was_taken() -> None:
    """The savepoint finds the task as the agent took it, with what a handoff brought along."""
    ann = speaker("ann")
    marks = MemorySavepoint([ann, ann.model_context])
    context = [UserMessage(content="before", source="user")]
    task = HandoffMessage(content="yours", source="user", target="ann", context=list(context))
    other = TextMessage(content="more", source="user")
    await ann.model_context.add_message(context[0])
    await ann.model_context.add_message(task.to_model_message())
    taken = marks.taken(ann, [task])
    assert taken is not None
    assert [message.content for message in taken] == ["before", "yours"]
    assert marks.taken(ann, [task, other]) is None
    assert marks.taken(ann, []) is None
    assert marks.taken(Keeper("none"), [task]) is None


# -- calls are closed ---------------------------------------------------------------------------


def _request(*ids: str) -> AssistantMessage:
    wanted = [FunctionCall(id=id_, name=f"tool {id_}", arguments="{}") for id_ in ids]
    return AssistantMessage(content=wanted, source="ann")


def _answer(*ids: str) -> FunctionExecutionResultMessage:
    content = [
        FunctionExecutionResult(content="done", name=f"tool {id_}", call_id=id_, is_error=False)
        for id_ in ids
    ]
    return FunctionExecutionResultMessage(content=content)


def _closed(*messages: LLMMessage, are_all: bool = True) -> list[LLMMessage]:
    context = UnboundedChatCompletionContext(list(messages))
    close_calls(context, [], are_all=are_all)
    return context._messages


_USER = UserMessage(content="go", source="user")
_TEXT = AssistantMessage(content="said", source="ann")


@pytest.mark.parametrize(
    "messages",
    [(), (_USER,), (_USER, _TEXT), (_USER, _request("1"), _answer("1")), (_TEXT,)],
    ids=["empty", "asked", "answered", "with results", "text only"],
)
def test_a_whole_transcript_is_left_alone(messages: tuple[LLMMessage, ...]) -> None:
    """Where each call has its result, nothing is added."""
    assert _closed(*messages) == list(messages)


def test_a_request_of_which_nothing_was_called_is_taken_back() -> None:
    """A request of which no call has begun is removed."""
    assert _closed(_USER, _request("1", "2")) == [_USER]


def test_what_may_have_been_called_unseen_is_closed() -> None:
    """Calls that a user's agent makes unseen get a result that says they may have begun."""
    *_, last = _closed(_USER, _request("1", "2"), are_all=False)
    found = results([last])
    assert [result.call_id for result in found] == ["1", "2"]
    assert all("may have taken effect" in result.content for result in found)


def test_the_missing_results_of_a_request_are_added_to_those_there() -> None:
    """A request with one result of two gets the other in the same message."""
    closed = _closed(_USER, _request("1", "2"), _answer("1"), are_all=False)
    assert [result.content.split(":")[0] for result in results(closed)] == ["done", "Interrupted"]
    check_transcript(closed)
    assert len(closed) == 3


def test_only_the_last_request_is_closed() -> None:
    """Only the last request is closed: the model accepted the earlier ones."""
    before = (_USER, _request("1"), _answer("1"), _TEXT)
    assert _closed(*before, _request("2")) == list(before)


def test_holds_results() -> None:
    """Results of tools are distinguished from other messages."""
    assert holds_results([_USER, _answer("1")])
    assert not holds_results([_USER, _request("1"), _TEXT])


# -- streams, workbenches, thoughts -------------------------------------------------------------


async def test_a_workbench_of_two_tools_in_a_team_of_the_same_agent() -> None:
    """Two agents may use the same ids for their calls; each keeps its own results."""
    first, second = Tools(), Tools()
    wanted = [FunctionCall(id="same", name="quick", arguments="{}")]
    ann = first.agent(wanted, "found")
    bob = AssistantAgent(
        "bob",
        ScriptedModel([[FunctionCall(id="same", name="slow", arguments="{}")], "found"]),
        tools=[second.slow],
    )
    team = round_robin(ann, bob)
    await stopped(team, second.moment)
    assert [result.content for result in results(context_of(ann))] == ["quick done"]
    (interrupted,) = results(context_of(bob))
    assert "Interrupted" in interrupted.content
    assert [who for who, _ in said(team)] == ["ann"]


async def test_a_streaming_agent_is_rewound() -> None:
    """An agent that is interrupted amid the chunks of its answer has not answered."""
    async for team, _ in at_each_step(
        lambda: round_robin(speaker("ann", model_client_stream=True), speaker("bob"))
    ):
        ann = team._participants[0]
        assert isinstance(ann, AssistantAgent)
        answers = [m for m in context_of(ann) if isinstance(m, AssistantMessage)]
        heard = [text for who, text in said(team) if who == "ann"]
        assert [message.content for message in answers] == heard


@pytest.mark.parametrize(
    ("held", "taken"), [("", 0), ("a", 1), ("ab", 2), ("xab", 2), ("abR", 2), ("aR", 0), ("xR", 0)]
)
def test_how_much_an_agent_has_taken_of_what_it_was_given(held: str, taken: int) -> None:
    """An agent takes its messages one by one; one that has answered ("R") had taken all."""
    context: list[LLMMessage] = [
        AssistantMessage(content=it, source="me")
        if it == "R"
        else UserMessage(content=it, source="user")
        for it in held
    ]
    given = [TextMessage(content=it, source="user") for it in "ab"]
    assert count_taken(context, given) == taken
