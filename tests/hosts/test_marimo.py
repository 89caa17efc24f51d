"""In a marimo notebook an interrupt ends the run, and marimo's handler is as before."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from tests.hosts.ports import free_port
from tests.hosts.servers import PATIENCE
from tests.hosts.versions import python_with

pytestmark = [
    pytest.mark.soak,
    pytest.mark.process,
    pytest.mark.blocks,
    pytest.mark.timeout(600),  # the first one installs marimo
    pytest.mark.asyncio(loop_factories=["asyncio"]),
]

_NOTEBOOK = """
import marimo

app = marimo.App()

@app.cell
async def _():
    import signal
    from supervisor import Supervisor
    from tests.hosts.notebook_setup import block, dig, make

    found = signal.getsignal(signal.SIGINT)
    async with Supervisor() as sup:
        result = await sup.stream(make(TOOL), "Go")
    print(result.stop_reason, signal.getsignal(signal.SIGINT) is found)
    return
"""
_SESSION = "s_tested"


class Marimo:
    """A server of marimo's with one notebook.

    Args:
        port: Where it listens.
        notebook: The notebook's file.
    """

    def __init__(self, port: int, notebook: Path) -> None:
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}")
        self._address = f"ws://127.0.0.1:{port}/ws?session_id={_SESSION}&file={notebook}"

    async def printed(self) -> AsyncGenerator[str]:
        """Open the notebook, run it, and yield what it prints."""
        async with self._client, websockets.connect(self._address, max_size=None) as socket:
            async for message in socket:
                said: dict[str, Any] = json.loads(message)
                if said["op"] == "kernel-ready":
                    run: dict[str, Any] = {"objectIds": [], "values": [], "autoRun": True}
                    await self._post("instantiate", run)
                for item in _listed(said.get("data", {}).get("console") or []):
                    yield item["data"]

    async def interrupt(self) -> None:
        """Interrupt the kernel, as the button of a notebook does."""
        await self._post("interrupt", {})

    async def _post(self, what: str, body: dict[str, Any]) -> None:
        page = (await self._client.get("/")).text
        token = re.search(r'data-token="([^"]*)"', page)
        assert token is not None, page
        headers = {"Marimo-Session-Id": _SESSION, "Marimo-Server-Token": token[1]}
        answer = await self._client.post(f"/api/kernel/{what}", json=body, headers=headers)
        answer.raise_for_status()


def _listed(console: Any) -> list[dict[str, str]]:
    """Return what is printed, which comes as one item or as several."""
    return console if isinstance(console, list) else [console]  # pyright: ignore[reportUnknownVariableType]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an interpreter that has marimo."""
    own = python_with("marimo", tmp_path_factory.mktemp("marimo"))
    if own is None:
        pytest.skip("marimo cannot be installed here")
    return own


@pytest.fixture
def server(python: str, tmp_path: Path, tool: str) -> Generator[Marimo]:
    """Start a server, and end it with its kernel."""
    notebook, port = tmp_path / "notebook.py", free_port()
    notebook.write_text(_NOTEBOOK.replace("TOOL", tool))
    options = ["--headless", "--no-token", "--skip-update-check", "--port", str(port)]
    command = [python, "-m", "marimo", "edit", str(notebook), *options]
    env = {**os.environ, "PYTHONPATH": str(str(Path(__file__).parents[2]))}
    silent = subprocess.DEVNULL
    process = subprocess.Popen(
        command, env=env, stdout=silent, stderr=silent, start_new_session=True
    )
    try:
        _wait_until_it_listens(process, port)
        yield Marimo(port, notebook)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/health")
            return
        assert process.poll() is None, "marimo has ended"
        assert time.monotonic() < end, f"marimo does not listen after {PATIENCE:g} s"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("tool", "presses"), [("dig", 1), ("dig", 2), ("dig", 5), ("block", 1), ("block", 2)]
)
async def test_an_interrupt_ends_the_run(server: Marimo, presses: int) -> None:
    """The cell goes on with the run's result."""
    shown = ""
    async with asyncio.timeout(2 * PATIENCE), contextlib.aclosing(server.printed()) as printed:
        async for text in printed:
            shown += text
            if text.strip() == "BEGUN":
                await asyncio.gather(*(server.interrupt() for _ in range(presses)))
            if "True" in text or "False" in text:
                break
    assert "Stopped by SIGINT True" in shown
