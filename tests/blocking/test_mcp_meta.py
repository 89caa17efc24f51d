"""A call of a run that is kept tells a server of tools its key and its fence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="needs the extra `mcp`")

from autogen_agentchat.messages import ToolCallExecutionEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.tools.mcp import mcp_server_tools  # pyright: ignore[reportMissingTypeStubs]
from mcp.client.session import ClientSession

from supervisor import Supervisor
from supervisor._autogen.checkpoints.calls.call_records import key_of
from tests.blocking.desks import desk_in
from tests.unit.autogen.checkpoints.gated import NotedRun, gated

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


async def _meta(team: RoundRobinGroupChat, noted: NotedRun | None) -> dict[str, Any]:
    """Return what the server was told with the call that a run makes."""
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team, "go")
        if noted is not None:
            gated(run, noted)
        await run
    assert run.result is not None
    [event] = [e for e in run.result.messages if isinstance(e, ToolCallExecutionEvent)]
    told = event.content[0].content
    if told.startswith("["):  # as a tool words it
        told = str(json.loads(told)[0]["text"])
    return dict(json.loads(told))


@pytest.mark.parametrize("way", ["workbench", "tool"])
async def test_a_server_is_told_the_key_and_the_fence(tmp_path: Path, way: str) -> None:
    """As `_meta` of `tools/call`, through a workbench and through a tool with its own session."""
    noted = NotedRun()
    async with desk_in(tmp_path) as desk:
        desk.wanted = ["tell_meta"]
        tools = await mcp_server_tools(desk.params) if way == "tool" else []
        meta = await _meta(desk.team(*(t for t in tools if t.name == "tell_meta")), noted)
    [record] = noted.records
    assert meta == {
        "autogen-supervisor/idempotencyKey": key_of(noted.id, record),
        "autogen-supervisor/fence": noted.fence,
    }
    assert "send_request" not in vars(ClientSession), "it is as it was"


async def test_a_server_is_told_nothing_by_a_run_that_is_not_kept(tmp_path: Path) -> None:
    """There is no key that would be stable."""
    async with desk_in(tmp_path) as desk:
        desk.wanted = ["tell_meta"]
        assert await _meta(desk.team(), None) == {}
