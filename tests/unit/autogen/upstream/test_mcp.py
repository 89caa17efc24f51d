"""Contract tests: MCP sessions."""

from __future__ import annotations

import asyncio
import atexit
import inspect
from types import CodeType
from typing import Any

import pytest

from supervisor._autogen import upstream
from supervisor._reports.frames import frames_of


def test_the_mcp_client_reads_its_server_in_stdout_reader() -> None:
    """`stdio_client` defines `stdout_reader`, which holds `process`."""
    client = pytest.importorskip("mcp.client.stdio")
    outer = inspect.unwrap(client.stdio_client).__code__
    codes = [code for code in outer.co_consts if isinstance(code, CodeType)]
    reader = next(code for code in codes if code.co_name == "stdout_reader")
    assert "process" in reader.co_freevars


def test_mcp_actor_has_a_queue_of_commands() -> None:
    """An actor's `_command_queue` takes commands with a `future`; `_active` says if it runs."""
    pytest.importorskip("mcp")
    from autogen_ext.tools.mcp import McpSessionActor, StdioServerParams  # pyright: ignore[reportMissingTypeStubs]

    actor = McpSessionActor(StdioServerParams(command="none"))
    try:
        assert isinstance(upstream.mcp_commands(actor), asyncio.Queue)
        assert actor._active is False
    finally:
        atexit.unregister(actor._sync_shutdown)
    source = inspect.getsource(McpSessionActor)
    assert "session = " not in source
    for line in ("as session", '"future": fut', 'cmd["future"].set_result(result)'):
        assert line in source, line


def test_mcp_workbench_keeps_an_actor_that_has_ended() -> None:
    """`_actor` of a workbench stays when its actor has ended; we remove it."""
    pytest.importorskip("mcp")
    from autogen_ext.tools.mcp import McpSessionActor, McpWorkbench, StdioServerParams  # pyright: ignore[reportMissingTypeStubs]

    params = StdioServerParams(command="none")
    workbench: Any = McpWorkbench(params)
    actor = workbench._actor = McpSessionActor(params)
    try:
        actor._active = True
        upstream.mcp_forget_ended(workbench)
        assert workbench._actor is actor
        actor._active = False
        upstream.mcp_forget_ended(workbench)
        assert workbench._actor is None
    finally:
        atexit.unregister(actor._sync_shutdown)


def test_mcp_session_hands_answers_to_its_response_streams() -> None:
    """`_response_streams` of a session is a dict, and `_handle_response` sends to what it pops."""
    session = pytest.importorskip("mcp.shared.session")
    source = inspect.getsource(session.BaseSession)
    assert "self._response_streams = {}" in source
    assert "async def _handle_response" in source
    assert "self._response_streams.pop(" in source
    assert "await stream.send(" in source


async def test_mcp_request_is_known_by_the_frame_that_waits_for_its_answer() -> None:
    """`send_request` of a session has `self`, `request` and `request_id`, from its first step."""
    anyio, mcp = pytest.importorskip("anyio"), pytest.importorskip("mcp")
    to_client, from_server = anyio.create_memory_object_stream(1)
    to_server, from_client = anyio.create_memory_object_stream(0)
    assert upstream.mcp_can_ask()
    found: list[Any] = []
    async with mcp.ClientSession(from_server, to_server) as session:
        task = asyncio.create_task(session.list_tools())
        found.append(upstream.mcp_request(frames_of(task)))
        for _ in range(5):
            await asyncio.sleep(0)
        found.append(upstream.mcp_request(frames_of(task)))
        ping = mcp.types.ClientRequest(mcp.types.PingRequest(method="ping"))
        bare = asyncio.create_task(session.send_request(ping, mcp.types.EmptyResult))
        found.append(upstream.mcp_request(frames_of(bare)))
        bare.cancel()
        request = await from_client.receive()
        telling = asyncio.create_task(upstream.mcp_tell_cancelled(session, 0, "Enough"))
        notification = (await from_client.receive()).message.root
        await telling
        task.cancel()
        await asyncio.wait([task])
    to_client.close()
    from_client.close()
    await upstream.mcp_tell_cancelled(session, 0, "Enough")  # it has ended
    assert found == [None, (session, request.message.root.id, "tools/list"), None]
    assert notification.method == "notifications/cancelled"
    assert notification.params == {"requestId": 0, "reason": "Enough"}
