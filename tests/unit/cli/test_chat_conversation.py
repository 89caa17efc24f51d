"""A conversation: what comes of each exchange, what is queued, steered, undone and asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
from autogen_agentchat.base import ChatAgent
from autogen_agentchat.conditions import HandoffTermination, MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import RoundRobinGroupChat, Swarm
from autogen_core import CancellationToken
from autogen_core.models import LLMMessage

from supervisor import Supervisor, UsageError
from supervisor._cli.chat.conversation.exchange import Exchange
from supervisor._cli.errors import CommandError
from supervisor.testing import (
    Said,
    ScriptedAgent,
    ScriptedModel,
    answers_so_far,
    assert_settled,
    calls,
)
from supervisor.testing._settled import said
from supervisor.types import Runnable
from tests.agents import Stubborn
from tests.unit.cli.conversations import SECONDS, Chat, chat
from tests.unit.testing.teams import agent, magentic, round_robin


def pair(turns: int = 2) -> RoundRobinGroupChat:
    """Return two agents who take so many turns."""
    return round_robin(agent("ann"), agent("bob"), turns=turns)


def _is_of(event: object, name: str) -> bool:
    return isinstance(event, BaseChatMessage) and event.source == name


def speakers(talk: Chat) -> list[str]:
    """Return who has spoken."""
    return [who for who, _ in said(talk.team)]


# -- exchanges ----------------------------------------------------------------------------------


async def test_an_exchange_ends_with_the_team() -> None:
    """A finished exchange returns no words, and says why the team has ended."""
    async with chat(pair) as talk:
        done = await talk.exchange("Begin")
        assert (done.outcome, done.words) == ("finished", "")
        assert done.notice == "Maximum number of turns 2 reached."
        assert speakers(talk) == ["ann", "bob"]


@pytest.mark.parametrize("make", [pair, magentic, lambda: agent("ann")])
async def test_the_users_own_words_are_not_shown_again(make: Callable[[], Runnable]) -> None:
    """Of what was typed at the prompt no event is shown: it stands on the screen already."""
    async with chat(make) as talk:
        await talk.exchange("Begin")
        assert talk.texts()
        assert not [text for text in talk.texts() if text.startswith("user:")]


async def test_the_team_remembers_the_exchange_before() -> None:
    """A team that has ended by its own condition goes on with the next words."""

    def team() -> RoundRobinGroupChat:
        limit = MaxMessageTermination(2)
        return RoundRobinGroupChat([agent("ann"), agent("bob")], termination_condition=limit)

    async with chat(team) as talk:
        await talk.exchange("One")
        await talk.exchange("Two")
        assert speakers(talk) == ["ann", "bob"]


async def test_it_is_answering_only_during_an_exchange() -> None:
    """`is_answering` is true from the first event to the last, and false before and after."""
    async with chat(pair) as talk:
        seen: list[bool] = []
        talk.on = lambda _: seen.append(talk.is_answering)
        assert not talk.is_answering
        await talk.exchange("Begin")
        assert seen
        assert all(seen)
        assert not talk.is_answering


async def test_one_exchange_at_a_time() -> None:
    """A second exchange during the first is an error that says what to do."""
    async with chat(pair) as talk:
        first = asyncio.create_task(talk.exchange("Begin"))
        await asyncio.sleep(0)
        with pytest.raises(UsageError, match="queue"):
            await talk.exchange("More")
        assert (await first).outcome == "finished"


# -- stopped ------------------------------------------------------------------------------------


async def test_stopped_before_anybody_has_answered() -> None:
    """The exchange is out again, its words come back, and nothing is left to go on with."""
    async with chat(lambda: round_robin(agent("ann", streams=True), agent("bob"))) as talk:
        talk.on = lambda _: talk.stop()
        done = await talk.exchange("Begin")
        assert (done.outcome, done.words) == ("undone", "Begin")
        assert not talk.can_go_on
        assert said(talk.team) == []
        assert_settled(talk.team)


async def test_stopped_after_an_answer() -> None:
    """What was finished stays, and going on asks the interrupted speaker first."""
    async with chat(lambda: pair(4)) as talk:
        talk.on = lambda event: talk.stop() if _is_of(event, "ann") else None
        done = await talk.exchange("Begin")
        assert (done.outcome, done.words) == ("stopped", "")
        assert talk.can_go_on
        talk.on = lambda _: None
        assert (await talk.exchange(None)).outcome == "finished"
        assert speakers(talk)[:2] == ["ann", "bob"]
        assert not talk.can_go_on


async def test_stopped_while_it_goes_on() -> None:
    """Going on can be stopped too, before anybody answers, and be continued."""
    async with chat(lambda: round_robin(agent("ann"), agent("bob", streams=True))) as talk:
        talk.on = lambda event: talk.stop() if _is_of(event, "ann") else None
        await talk.exchange("Begin")
        talk.on = lambda _: talk.stop()
        done = await talk.exchange(None)
        assert (done.outcome, done.words) == ("stopped", "")
        assert speakers(talk) == ["ann"]
        talk.on = lambda _: None
        assert (await talk.exchange(None)).outcome == "finished"
        assert speakers(talk)[:2] == ["ann", "bob"]


async def test_nothing_to_go_on_with() -> None:
    """Without an answer that was cut off, an empty line starts nothing."""
    async with chat(pair) as talk:
        assert "type a message" in (await talk.exchange(None)).notice
        await talk.exchange("Begin")
        assert "type a message" in (await talk.exchange(None)).notice
        assert speakers(talk) == ["ann", "bob"]


async def test_a_stopped_tool_stays_called() -> None:
    """A tool that was reached is not forgotten: the exchange stays, and goes on."""
    reached = asyncio.Event()

    async def dig() -> str:
        """Dig."""
        reached.set()
        await asyncio.Event().wait()
        return "a hole"

    def digger() -> AssistantAgent:
        def reply(messages: Sequence[LLMMessage]) -> Said:
            return "Enough." if answers_so_far(messages) else calls("dig")

        return AssistantAgent("digger", ScriptedModel(reply), tools=[dig])

    async with chat(digger) as talk:
        running = asyncio.create_task(talk.exchange("Dig"))
        await reached.wait()
        talk.stop()
        done = await running
        assert (done.outcome, done.words, talk.can_go_on) == ("stopped", "", True)
        done = await talk.exchange(None)
        assert done.outcome == "finished"
        assert talk.texts()[-1] == "digger: Enough."


# -- failed -------------------------------------------------------------------------------------


def failing() -> AssistantAgent:
    """Return an agent whose model fails the first time."""
    left = [1]

    def reply(messages: Sequence[LLMMessage]) -> Said:
        if left:
            left.pop()
            raise ValueError("no credit\nis left")
        return "Fine."

    return AssistantAgent("bob", ScriptedModel(reply))


async def test_failed_before_anybody_has_answered() -> None:
    """The notice has one line, the words come back, and they can be said again."""
    async with chat(failing) as talk:
        done = await talk.exchange("Begin")
        assert (done.outcome, done.words) == ("failed", "Begin")
        assert "no credit" in done.notice
        assert "\n" not in done.notice
        assert (await talk.exchange("Begin")).outcome == "finished"


async def test_failed_after_an_answer() -> None:
    """What was finished stays, and going on asks again the one that failed."""
    async with chat(lambda: round_robin(agent("ann"), failing())) as talk:
        done = await talk.exchange("Begin")
        assert (done.outcome, done.words) == ("failed", "")
        assert "no credit" in done.notice
        assert "\n" not in done.notice
        assert (await talk.exchange(None)).outcome == "finished"
        assert speakers(talk)[:2] == ["ann", "bob"]


# -- queued and steered -------------------------------------------------------------------------


async def test_queued_words_go_in_after_the_answer() -> None:
    """What is queued goes in at once when the answer is over, as one message, and is shown then."""
    async with chat(pair) as talk:

        def queue(event: object) -> None:
            if _is_of(event, "ann") and len(speakers(talk)) < 2 and not talk.queued:
                talk.queue("and this")
                talk.queue("and that")

        talk.on = queue
        done = await talk.exchange("Begin")
        assert done.outcome == "finished"
        assert not talk.queued
        assert "user: and this\nand that" in talk.texts()
        assert speakers(talk) == ["ann", "bob", "ann", "bob"]


async def test_queued_words_come_back_after_a_stop() -> None:
    """A stop gives back what was queued behind it: nothing goes in that was not asked for."""
    async with chat(lambda: pair(4)) as talk:

        def stop(event: object) -> None:
            if _is_of(event, "ann"):
                talk.queue("later")
                talk.stop()

        talk.on = stop
        done = await talk.exchange("Begin")
        assert (done.outcome, done.words, list(talk.queued)) == ("stopped", "later", [])


async def test_steered_words_go_in_at_the_next_boundary() -> None:
    """The turn in progress finishes, no other begins, and the words go in; nobody speaks twice."""
    async with chat(lambda: round_robin(agent("ann", streams=True), agent("bob"), turns=6)) as talk:

        def steer(_: object) -> None:
            talk.on = lambda _: None
            talk.queue("Turn round")
            talk.steer()

        talk.on = steer
        done = await talk.exchange("Begin")
        assert done.outcome == "finished"
        texts = [text.partition(":")[0] for text in talk.texts() if "chunk" not in text]
        place = talk.texts().index("user: Turn round")
        finished = [t for t in talk.texts()[:place] if t.startswith("ann: answer 0 to ")]
        assert len(finished) == 1
        assert "bob" not in texts[:place]
        assert speakers(talk) == ["ann", "bob", "ann", "bob", "ann", "bob", "ann"]


async def test_steer_without_words_does_nothing() -> None:
    """An empty line without anything queued changes nothing."""
    async with chat(lambda: pair(3)) as talk:
        talk.on = lambda _: talk.steer()
        assert (await talk.exchange("Begin")).outcome == "finished"
        assert speakers(talk) == ["ann", "bob", "ann"]


async def test_stopped_after_it_was_steered() -> None:
    """A stop while the last turn finishes still stops at once, and gives the words back."""
    async with chat(lambda: round_robin(agent("ann", streams=True), agent("bob"))) as talk:

        def steer(_: object) -> None:
            talk.queue("Turn round")
            talk.steer()
            asyncio.get_running_loop().call_soon(talk.stop)

        talk.on = steer
        done = await talk.exchange("Begin")
        assert (done.outcome, done.words) == ("undone", "Begin\nTurn round")


# -- undo and reset -----------------------------------------------------------------------------


async def test_undo_several_times() -> None:
    """Each `/undo` takes back one exchange, the last first; then there is nothing left."""
    async with chat(pair) as talk:
        states = [await talk.team.save_state()]
        for words in ("One", "Two"):
            await talk.exchange(words)
            states.append(await talk.team.save_state())
        for state in reversed(states[:-1]):
            assert "taken back" in await talk.command("/undo")
            assert await talk.team.save_state() == state
        assert await talk.command("/undo") == "There is nothing to undo."


async def test_undo_takes_an_exchange_and_its_going_on_together() -> None:
    """An exchange that was stopped and continued is one exchange."""
    async with chat(lambda: pair(4)) as talk:
        talk.on = lambda event: talk.stop() if _is_of(event, "ann") else None
        await talk.exchange("Begin")
        talk.on = lambda _: None
        await talk.exchange(None)
        await talk.command("/undo")
        assert said(talk.team) == []
        assert not talk.can_go_on


async def test_undo_of_what_is_in_no_state() -> None:
    """An agent that keeps its messages in a list, and saves none, forgets them as well."""
    from tests.unit.testing.teams import Keeper

    async with chat(lambda: round_robin(Keeper("ann"), turns=1)) as talk:
        await talk.exchange("One")
        await talk.exchange("Two")
        await talk.command("/undo")
        await talk.exchange("Three")
        assert said(talk.team)[-1] == ("ann", "2 heard, the last of user")


async def test_reset_can_be_undone() -> None:
    """`/reset` begins anew, and `/undo` brings back what was there."""
    async with chat(pair) as talk:
        await talk.exchange("One")
        before = said(talk.team)
        await talk.command("/reset")
        assert said(talk.team) == []
        await talk.command("/undo")
        assert said(talk.team) == before


# -- a team that refuses to stop ----------------------------------------------------------------


class Refusing:
    """Makes teams of which the first has an agent that refuses to stop."""

    def __init__(self, *, after: ChatAgent | None = None) -> None:
        self.stubborn = Stubborn()
        self._members: list[list[ChatAgent]] = [
            [*([after] if after else []), self.stubborn],
            [*([agent(after.name)] if after else []), agent(self.stubborn.name)],
        ]

    def __call__(self) -> Runnable:
        """Make the next one."""
        if not self._members:
            raise ValueError("no more teams")
        return round_robin(*self._members.pop(0))


async def _refused(talk: Chat, make: Refusing, words: str) -> Exchange:
    running = asyncio.create_task(talk.exchange(words))
    await make.stubborn.is_working.wait()
    talk.stop()
    done = await running
    make.stubborn.let_go.set()
    return done


async def test_a_team_that_refuses_is_built_anew() -> None:
    """The words come back where nobody had answered, the notice says so, and the next one works."""
    make = Refusing()
    async with chat(make, seconds=0.2) as talk:
        done = await _refused(talk, make, "Begin")
        assert done.outcome == "rebuilt"
        assert done.words == "Begin"
        assert "built anew" in done.notice
        assert (await talk.exchange("Begin")).outcome == "finished"


async def test_it_is_built_anew_from_its_last_turn() -> None:
    """What was said before the turn that refused is kept, and going on is possible."""
    make = Refusing(after=agent("ann"))
    async with chat(make, seconds=0.2) as talk:
        done = await _refused(talk, make, "Begin")
        assert (done.outcome, done.words) == ("rebuilt", "")
        assert speakers(talk) == ["ann"]
        assert talk.can_go_on
        assert (await talk.exchange(None)).outcome == "finished"
        assert speakers(talk)[1] == make.stubborn.name


async def test_a_team_that_cannot_be_built_anew() -> None:
    """The notice says so; further words say so too; nothing is lost, and `/reset` builds again."""
    make = Refusing()
    async with chat(make, seconds=0.2) as talk:
        make._members.clear()
        done = await _refused(talk, make, "Begin")
        assert "no more teams" in done.notice
        done = await talk.exchange("More")
        assert (done.outcome, done.words) == ("failed", "More")
        assert "no more teams" in done.notice
        make._members.append([agent("ann"), agent(make.stubborn.name)])
        assert "begins anew" in await talk.command("/reset")
        assert (await talk.exchange("More")).outcome == "finished"


# -- questions ----------------------------------------------------------------------------------


def asked_team() -> RoundRobinGroupChat:
    """Return a team with a user's proxy, within another team."""
    inner = round_robin(agent("ann"), UserProxyAgent("you"), name="inner")
    return round_robin(inner, agent("bob"), turns=2)


async def test_a_proxy_asks_through_the_chat() -> None:
    """The question of a `UserProxyAgent`, at any depth, goes to `ask`, with its name."""
    asked: list[str] = []

    async def ask(question: str) -> str:
        asked.append(question)
        return "Because."

    async with chat(asked_team, ask=ask) as talk:
        assert (await talk.exchange("Why?")).outcome == "finished"
        assert ("you", "Because.") in said(talk.team)
        assert asked == ["you: Enter your response:"]


async def test_a_stop_takes_the_question_away() -> None:
    """A question that is open as the answer is stopped is cancelled, and asked again later."""
    asking = asyncio.Event()
    ended: list[str] = []

    async def ask(question: str) -> str:
        if ended:
            return "Because."
        asking.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(question)
        raise AssertionError

    async with chat(asked_team, ask=ask) as talk:
        running = asyncio.create_task(talk.exchange("Why?"))
        await asking.wait()
        talk.stop()
        assert (await running).outcome == "stopped"
        assert len(ended) == 1
        assert (await talk.exchange(None)).outcome == "finished"
        assert ("you", "Because.") in said(talk.team)


async def test_a_question_that_nobody_can_answer() -> None:
    """An end of the input fails the exchange, and the notice says what ended."""

    async def ask(question: str) -> str:
        raise EOFError("nobody can answer")

    async with chat(lambda: round_robin(UserProxyAgent("you"), turns=1), ask=ask) as talk:
        done = await talk.exchange("Why?")
        assert (done.outcome, done.words) == ("failed", "Why?")
        assert done.notice == (
            "The answer has failed: nobody can answer. The message is out again, and Up has it."
        )


# -- handoffs -----------------------------------------------------------------------------------


async def test_words_for_a_swarm_that_has_handed_off() -> None:
    """The user's words go back, as a handoff, to the member that has handed off to the user."""

    def swarm() -> Swarm:
        def reply(messages: Sequence[LLMMessage]) -> Said:
            return (
                f"Thanks {answers_so_far(messages)}"
                if len(messages) > 3
                else calls("transfer_to_user")
            )

        ann = AssistantAgent("ann", ScriptedModel(reply), handoffs=["user"])
        return Swarm([ann], termination_condition=HandoffTermination("user"), max_turns=1)

    async with chat(swarm) as talk:
        assert (await talk.exchange("Begin")).outcome == "finished"
        done = await talk.exchange("Here you are")
        assert done.outcome == "finished", done
        assert talk.texts()[-1].startswith("ann: Thanks")


async def test_a_swarm_that_was_ended_behind_its_handoff() -> None:
    """An empty line has nothing to go on with there: the notice says that an answer is wanted."""

    def swarm() -> Swarm:
        ann = AssistantAgent("ann", ScriptedModel([calls("transfer_to_user")]), handoffs=["user"])
        return Swarm([ann], termination_condition=HandoffTermination("user"))

    async with chat(swarm) as talk:
        assert (await talk.exchange("Begin")).outcome == "finished"
        # What a session has where the process was killed as this turn had been written.
        talk._progress.now = replace(talk._progress.now, can_go_on=True)
        done = await talk.exchange(None)
        assert done.outcome == "failed"
        assert done.notice.startswith("The team has handed off to 'user'; type an answer.")


# -- states that cannot be had, or loaded --------------------------------------------------------


class Fragile(ScriptedAgent):
    """An agent of which some methods fail.

    Args:
        fails: Their names; may be changed.
    """

    def __init__(self, fails: set[str]) -> None:
        super().__init__("ann", ["One", "Two", "Three"])
        self._fails = fails

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Reset it, or fail."""
        self._check("on_reset")
        await super().on_reset(cancellation_token)

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Load it, or fail."""
        self._check("load_state")
        await super().load_state(state)

    def _check(self, name: str) -> None:
        if name in self._fails:
            raise ValueError(f"{name} is broken")


async def test_a_state_that_cannot_be_restored_after_a_stop() -> None:
    """The words come back, and the target is built anew, with its state before them."""
    fails = {"load_state"}

    def make() -> Runnable:
        return round_robin(agent("bob", streams=True), Fragile(fails))

    async with chat(make) as talk:

        def stop(_: object) -> None:
            talk.stop()
            talk.source.make = pair

        talk.on = stop
        done = await talk.exchange("Begin")
        assert (done.outcome, done.words) == ("failed", "Begin")
        assert done.notice.startswith("The state is as before the message: ")
        assert "load_state is broken" in done.notice


async def test_a_target_that_is_gone_is_built_by_the_next_words_or_a_file(tmp_path: Path) -> None:
    """A reset that fails leaves none where none can be built; `/load` and words try again."""
    fails: set[str] = set()
    file = tmp_path / "saved.json"

    def make() -> Runnable:
        if "make" in fails:
            raise ValueError("make is broken")
        return Fragile(fails - {"make"})

    async with chat(make) as talk:
        await talk.exchange("Begin")
        await talk.command(f"/save {file}")
        for go_on in (f"/load {file}", "More"):
            fails |= {"make", "on_reset"}
            talk.team._fails = fails  # type: ignore[union-attr]
            told = await talk.command("/reset")
            assert "could not be built anew (ValueError: make is broken)" in told
            assert "could not be built" in await talk.command("/state")
            fails.clear()
            if go_on.startswith("/"):
                assert "It goes on from" in await talk.command(go_on)
            else:
                assert (await talk.exchange(go_on)).outcome == "finished"


async def test_words_that_were_queued_can_be_stopped_as_they_go_in() -> None:
    """They come back, and the answer that was whole stays."""
    async with chat(pair) as talk:

        def stop(event: object) -> None:
            if _is_of(event, "ann"):
                talk.queue("More")
            if _is_of(event, "user"):
                talk.stop()

        talk.on = stop
        done = await talk.exchange("Begin")
        assert (done.outcome, done.words) == ("undone", "More")
        assert speakers(talk) == ["ann", "bob"]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ValueError("no key"), "'team.py:team' cannot be built: ValueError: no key"),
        (CommandError("no such team"), "no such team"),
    ],
)
async def test_a_target_that_cannot_be_built_at_all(error: Exception, says: str) -> None:
    """The chat does not begin, and one line says why."""

    def make() -> Runnable:
        raise error

    with pytest.raises(CommandError) as raised:
        async with chat(make):
            pass
    assert str(raised.value).startswith(says)


async def test_a_target_whose_building_is_stopped() -> None:
    """The chat does not begin, as where it is cancelled."""
    async with asyncio.timeout(SECONDS), Supervisor(signals={}) as sup:

        def make() -> Runnable:
            talk.stop()
            return pair()

        talk = Chat(sup, make)
        with pytest.raises(asyncio.CancelledError):
            await talk.open()


async def test_saving_without_a_file_needs_a_session() -> None:
    """Where the chat is kept nowhere, the command asks for a file."""
    async with chat(pair) as talk:
        assert await talk.command("/save") == "Name a file: /save FILE."
