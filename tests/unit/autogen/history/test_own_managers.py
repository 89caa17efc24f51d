"""Managers of the user's that ask members in ways of their own: at once, or unseen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.teams._group_chat._events import GroupChatRequestPublish
from autogen_agentchat.teams._group_chat._round_robin_group_chat import RoundRobinGroupChatManager
from autogen_core import CancellationToken, DefaultTopicId

from supervisor import Rung
from tests.unit.autogen.checks import contents, stand_ins
from tests.unit.autogen.stops import Moment, go_on, requests, speaker, stopped
from tests.unit.testing.teams import round_robin

pytestmark = pytest.mark.one_loop


class _AllAtOnce(RoundRobinGroupChatManager):
    async def select_speaker(self, thread: Sequence[BaseAgentEvent | BaseChatMessage]) -> list[str]:
        return list(self._participant_names)


class AllAtOnce(RoundRobinGroupChat):
    """A team of the user's whose members all speak at the same time."""

    def _create_group_chat_manager_factory(
        self, *_: Any, **given: Any
    ) -> Callable[[], RoundRobinGroupChatManager]:
        return lambda: _AllAtOnce(**given, emit_team_events=False)


async def test_a_team_that_has_heard_more_meanwhile_goes_on_with_that() -> None:
    """The inner team gets what another member said as its task, and asks the interrupted one."""
    moment = Moment()
    bob, cleo = speaker("bob", moment), speaker("cleo")
    inner = round_robin(speaker("ann"), bob, name="inner")
    team = AllAtOnce([inner, cleo], max_turns=1)
    assert contents(await stopped(team, moment)) == ["go", "cleo 0", "ann 0"]
    assert contents(await go_on(team)) == ["bob 0", "ann 1"]
    assert [message.content for message in requests(bob)[-1]] == ["go", "ann 0", "cleo 0"]
    assert stand_ins(team) == []


class _AsksItself(RoundRobinGroupChatManager):
    async def _transition_to_next_speakers(self, cancellation_token: CancellationToken) -> None:
        name = await self.select_speaker(self._message_thread)
        topic = DefaultTopicId(self._participant_name_to_topic_type[str(name)])
        await self.publish_message(GroupChatRequestPublish(), topic)
        self._active_speakers.append(str(name))


class AsksItself(RoundRobinGroupChat):
    """A team of the user's that selects its speakers without a task."""

    def _create_group_chat_manager_factory(
        self, *_: Any, **given: Any
    ) -> Callable[[], RoundRobinGroupChatManager]:
        return lambda: _AsksItself(**given, emit_team_events=False)


@pytest.mark.parametrize("rung", [Rung.DRAIN, Rung.CANCEL])
async def test_a_manager_whose_selection_is_not_seen(rung: Rung) -> None:
    """Its turns are told by the requests: nobody else is asked in DRAIN, and the team goes on."""
    moment = Moment()
    team = AsksItself([speaker("ann"), speaker("bob", moment), speaker("cleo")], max_turns=3)
    drained = ["bob 0"] if rung is Rung.DRAIN else []
    assert contents(await stopped(team, moment, rung)) == ["go", "ann 0", *drained]
    result = await go_on(team)
    assert contents(result)[:2] == (["cleo 0", "ann 1"] if drained else ["bob 0", "cleo 0"])
