"""The command line on a store in PostgreSQL: a chat's session, and the commands about it."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest

from supervisor._cli.chat.conversation.sessions import Sessions
from supervisor._cli.errors import CommandError
from supervisor._cli.main import main
from supervisor.testing._settled import said
from tests.unit.cli.conversations import chat
from tests.unit.cli.test_chat_conversation import pair

pytestmark = [pytest.mark.process, pytest.mark.blocks, pytest.mark.timeout(120)]


def _session(url: str, target: str = "team.py:team") -> Sessions:
    return Sessions(target, name="talk", may_begin=True, store=url)


async def test_a_chat_keeps_its_session_there(
    schema_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One chat at a time has it; the next one goes on; `show` has what was said."""
    async with chat(pair, sessions=_session(schema_url)) as talk:
        await talk.exchange("Begin")
        with pytest.raises(CommandError, match="is open in another chat"):
            _session(schema_url).open([])
    async with chat(pair, sessions=_session(schema_url)) as talk:
        assert talk.opening == "Going on with talk: 3 messages."
        assert [who for who, _ in said(talk.team)] == ["ann", "bob"]
    capsys.readouterr()
    with suppress(SystemExit):
        main(["show", "talk", "--json", "--checkpoints", schema_url])
    shown = json.loads(capsys.readouterr().out)
    assert shown["run"]["status"] == "stopped"
    assert [message["source"] for message in shown["messages"]] == ["user", "ann", "bob"]
