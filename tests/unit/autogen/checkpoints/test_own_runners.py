"""Teams that code of the user's runs: a class of its own, an agent in its turn, a tool."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent, BaseChatAgent
from autogen_agentchat.base import Response, TaskResult, Team
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat
from autogen_agentchat.tools import TeamTool
from autogen_core import CancellationToken
from autogen_core.models import FunctionExecutionResultMessage

from supervisor import Run, Supervisor
from supervisor._autogen.checkpoints.calls.recalled import OPEN_CALL
from supervisor.testing import ScriptedAgent, ScriptedModel, calls
from tests.agents import Gate
from tests.unit.autogen.checkpoints.keeping import Keeping, StoredText, run_kept, words
from tests.unit.autogen.checks import contents, who

pytestmark = pytest.mark.one_loop


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a store that is not there yet."""
    return f"sqlite:///{tmp_path}/runs.db"


async def _stopped(
    sup: Supervisor, team: Any, is_there: asyncio.Event, id_: str | None = "it"
) -> Run:
    """Run a team, and stop it at that moment."""
    run = sup.stream(team, "go", id=id_)
    reading = asyncio.ensure_future(run)
    await is_there.wait()
    run.stop()
    await reading
    return run


# -- a class of the user's around a team --------------------------------------------------------


class Around:
    """What is no team of AutoGen's, has no name, and runs one that it holds."""

    def __init__(self) -> None:
        self.team = RoundRobinGroupChat([ScriptedAgent("a")], max_turns=3)

    def run_stream(self, **options: Any) -> AsyncIterator[Any]:
        """Run it."""
        return self.team.run_stream(**options)


async def test_a_run_goes_on_in_the_team_within_a_users_class(url: str) -> None:
    """The team is found by the attributes of the object that is run."""
    async with Supervisor(checkpoints=url) as sup:
        whole: Any = await sup.stream(Around(), "go")  # type: ignore[arg-type]
        run: Any = sup.stream(Around(), "go", id="it")  # type: ignore[arg-type]
        async for event in run:
            if getattr(event, "source", "") == "a":
                run.stop()
        found: Any = await sup.stream(Around(), id="it")  # type: ignore[arg-type]
    assert words(found.messages) == words(whole.messages)


class Twice(Around):
    """One that runs it once more after its end."""

    async def run_stream(self, **options: Any) -> AsyncIterator[Any]:
        """Run it twice."""
        async for event in self.team.run_stream(**options):
            if not isinstance(event, TaskResult):
                yield event
        async for event in self.team.run_stream():
            yield event


async def test_the_end_of_a_team_is_not_that_of_the_users_class_around_it() -> None:
    """Such an object may go on, and run its team again."""
    team: Any = Twice()
    whole = await run_kept(team, "go", everywhere=True)
    assert whole.after_steps
    assert not [it for it in whole.after_steps if "ended" in json.loads(it.state)["rest"]]


# -- an agent that runs a team in its turn ------------------------------------------------------


class Lead(BaseChatAgent):
    """An agent that has a team answer.

    Args:
        run: Runs the team.
        team: The team; None where it is made in each turn.
    """

    def __init__(
        self, run: Callable[..., Awaitable[TaskResult]], team: BaseGroupChat | None = None
    ) -> None:
        super().__init__("lead", "Has a team answer.")
        self._run_team = run
        self.team = team
        self.given: list[list[str]] = []

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        """What it says."""
        return (TextMessage,)

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        """Answer."""
        self.given.append([message.to_text() for message in messages])
        result = await self._run_team(self.team, list(messages))
        said = result.messages[-1].to_text()
        return Response(chat_message=TextMessage(content=f"lead: {said}", source="lead"))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Forget nothing."""


def _caller(gate: Gate) -> BaseGroupChat:
    model = ScriptedModel([calls("wait"), "Done."])
    return RoundRobinGroupChat(
        [AssistantAgent("ann", model, tools=[gate.wait])], max_turns=1, name="inner"
    )


def _lead(gate: Gate, *, is_kept: bool, kind: type[Lead] = Lead) -> Lead:
    async def run(team: BaseGroupChat | None, task: Any) -> TaskResult:
        return await (team or _caller(gate)).run(task=task)

    return kind(run, _caller(gate) if is_kept else None)


def _led(gate: Gate, *, is_kept: bool) -> BaseGroupChat:
    return _after_first(_lead(gate, is_kept=is_kept))


def _after_first(lead: Lead) -> BaseGroupChat:
    members: list[Any] = [ScriptedAgent("first", ["Hello."] * 2), lead]
    return RoundRobinGroupChat(members, max_turns=2)


class RememberingLead(Lead):
    """One that keeps a list of what it was given, and asks its team with all of that."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.heard: list[BaseChatMessage] = []

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        """Answer."""
        self.heard.extend(messages)
        return await super().on_messages(self.heard, cancellation_token)


class CuttingLead(RememberingLead):
    """One that keeps the last message only, in another list each time."""

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        """Answer."""
        self.heard = [*self.heard, *messages][-1:]
        return await super().on_messages([], cancellation_token)


GIVEN = {Lead: ["go", "Hello."], RememberingLead: ["go", "Hello."], CuttingLead: ["Hello."]}
"""What these have their team answer, at each attempt: nothing is lost, and nothing is there twice.
"""


async def test_a_call_in_a_team_that_an_agent_holds_is_not_made_again(url: str) -> None:
    """The turn of such an agent is kept with that of the member that has called the tool."""
    gate = Gate()
    async with Supervisor(checkpoints=url) as sup:
        await _stopped(sup, _led(gate, is_kept=True), gate.is_entered)
        result = await sup.stream(_led(gate, is_kept=True), id="it")
    assert contents(result)[-1] == "lead: Done."
    assert gate.entered == 1


@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.parametrize("id_", [None, "it"])
async def test_an_agent_goes_on_with_what_it_was_given_once(
    url: str, kind: type[Lead], id_: str | None
) -> None:
    """Without a memory it is given its messages again; with one it is not."""
    gate = Gate()
    lead = _lead(gate, is_kept=True, kind=kind)
    async with Supervisor(signals={}, checkpoints=url) as sup:
        team = _after_first(lead)
        await _stopped(sup, team, gate.is_entered, id_)
        result = await sup.stream(team, id=id_)
    assert "lead: Done." in contents(result)
    assert gate.entered == 1
    assert lead.given == [GIVEN[kind]] * 2


@pytest.mark.parametrize("kind", GIVEN)
async def test_an_agent_that_is_killed_goes_on_with_what_it_was_given_once(
    kind: type[Lead],
) -> None:
    """The same holds in a fresh team that goes on from within the call of the inner team."""
    gate, fresh = Gate(), Gate()
    for each in (gate, fresh):
        each.let_go.set()
    whole = await run_kept(
        _after_first(_lead(gate, is_kept=True, kind=kind)), "go", everywhere=True
    )
    lead = _lead(fresh, is_kept=True, kind=kind)
    found = await run_kept(_after_first(lead), "go", stored=_within_the_call(whole))
    assert contents(found.result)[-1].startswith("lead: ")
    assert lead.given == [GIVEN[kind]]


def _within_the_call(whole: Keeping) -> StoredText:
    """Return the first that was stored with the turns of both the lead and the inner member."""
    for stored in whole.after_steps:
        turns = json.loads(stored.state)["rest"]["turns"]
        if [turn["member"] for turn in turns] == ["ann", "lead"]:
            return stored
    raise AssertionError("there is none")


@pytest.mark.parametrize("id_", [None, "it"])
async def test_an_agent_without_a_memory_by_itself_is_given_its_task_again(
    url: str, id_: str | None
) -> None:
    """It has not taken the task, and goes on where it is given that."""
    gate = Gate()
    async with Supervisor(signals={}, checkpoints=url) as sup:
        lead = _lead(gate, is_kept=True)
        run = await _stopped(sup, lead, gate.is_entered, id_)
        assert not run.has_taken_task
        result = await sup.stream(lead, "go" if id_ is None else None, id=id_)
    assert contents(result) == ["go", "lead: Done."]
    assert gate.entered == 1


async def test_a_team_that_is_made_in_a_turn_is_made_again(url: str) -> None:
    """Nothing of it can be put back, so the turn is taken again as a whole."""
    gate = Gate()
    async with Supervisor(checkpoints=url) as sup:
        await _stopped(sup, _led(gate, is_kept=False), gate.is_entered)
        gate.let_go.set()
        result = await sup.stream(_led(gate, is_kept=False), id="it")
    assert [type(item) for item in result.messages] == [TextMessage] * 3
    assert contents(result)[-1] == "lead: let through"
    assert gate.entered == 2


async def test_a_team_that_an_unknown_task_runs_is_not_gone_on_with(url: str) -> None:
    """Whose turn it belongs to is not known; the turn in which it runs is taken again."""
    is_there, may_answer = asyncio.Event(), asyncio.Event()

    async def answer(*_: object) -> str:
        is_there.set()
        await may_answer.wait()
        return "answer"

    async def run(_team: object, task: Any) -> TaskResult:
        inner = RoundRobinGroupChat([ScriptedAgent("x"), ScriptedAgent("y", answer)], max_turns=2)
        loop = asyncio.get_running_loop()
        made: asyncio.Future[asyncio.Task[TaskResult]] = loop.create_future()
        loop.call_soon(lambda: made.set_result(loop.create_task(inner.run(task=task))))
        return await (await made)

    def make() -> BaseGroupChat:
        lead: Any = Lead(run)
        return RoundRobinGroupChat([ScriptedAgent("first"), lead], max_turns=2)

    async with Supervisor(checkpoints=url) as sup:
        await _stopped(sup, make(), is_there)
        may_answer.set()
        result = await sup.stream(make(), id="it")
    assert contents(result)[-1] == "lead: answer"


class Fresh(Team):
    """A team of the user's that has a new one answer each time that it is asked."""

    @property
    def name(self) -> str:
        """Its name."""
        return "fresh"

    @property
    def description(self) -> str:
        """What it does."""
        return "Has a new team answer."

    def run_stream(self, **options: Any) -> Any:
        """Have it answer."""
        members: list[Any] = [ScriptedAgent("x"), ScriptedAgent("y")]
        return RoundRobinGroupChat(members, max_turns=2).run_stream(**options)

    async def run(self, **_: Any) -> TaskResult:
        """Refuse; it is streamed."""
        raise AssertionError("it is streamed")

    async def reset(self) -> None:
        """Do nothing."""

    pause = resume = reset

    async def save_state(self) -> Mapping[str, Any]:
        """Return nothing."""
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""


def _with_fresh() -> BaseGroupChat:
    return RoundRobinGroupChat([ScriptedAgent("a"), Fresh()], max_turns=3)


async def test_a_member_that_makes_a_team_in_its_turn_is_asked_again() -> None:
    """What the members of that team have said in an interrupted turn is said anew."""
    whole = await run_kept(_with_fresh())
    for step, stored in enumerate(whole.after_steps):
        found = await run_kept(_with_fresh(), stored=stored)
        assert who(found.result) == who(whole.result), f"at step {step}"


# -- a team behind a tool -----------------------------------------------------------------------


async def test_the_team_behind_an_open_call_is_not_gone_on_with(url: str) -> None:
    """Its call is closed as a whole, though a member had answered in it."""
    asked, is_there = list[str](), asyncio.Event()

    async def answer(*_: object) -> str:
        asked.append("b")
        is_there.set()
        await asyncio.Event().wait()
        return "never"

    def make() -> tuple[AssistantAgent, BaseGroupChat]:
        members: list[Any] = [ScriptedAgent("a"), ScriptedAgent("b", answer)]
        inner = RoundRobinGroupChat(members, name="inner", max_turns=2)
        tool = TeamTool(inner, name="team", description="A team.")
        model = ScriptedModel([calls(("team", {"task": "talk"})), "Done."])
        ann = AssistantAgent("ann", model, tools=[tool])
        return ann, RoundRobinGroupChat([ann], max_turns=1)

    async with Supervisor(checkpoints=url) as sup:
        await _stopped(sup, make()[1], is_there)
        ann, team = make()
        result = await sup.stream(team, id="it")
    assert contents(result)[-1] == "Done."
    assert asked == ["b"]
    messages = await ann.model_context.get_messages()
    [closed] = [item for item in messages if isinstance(item, FunctionExecutionResultMessage)]
    assert closed.content[0].content == OPEN_CALL
