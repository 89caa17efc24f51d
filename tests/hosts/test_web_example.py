"""`examples/web` in a real browser: it streams, stops, survives a reload and a server's end."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.hosts.browser import Page, find_browser, open_page
from tests.hosts.servers import Server, starting

BROWSER: Final = find_browser()
GRACE: Final = 3.5
"""Seconds of the server's ladder: half a second for a turn to finish."""

pytestmark = [
    pytest.mark.process,
    pytest.mark.blocks,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here"),
]

# -- what the page shows, in JavaScript ---------------------------------------------------------

STREAMED: Final = "document.querySelectorAll('article:not(.user)')[0]?.lastChild.data.length > 20"
IS_RUNNING: Final = "!document.getElementById('stop').hidden"
END: Final = "document.getElementById('end')?.innerText"
SAID: Final = "document.getElementById('log').innerText"
LISTED: Final = "[...document.querySelectorAll('#runs li')].map(each => each.className).join()"

# Counts what the page asks of the server from here on.
COUNT: Final = """
  window.asked = 0;
  const made = window.EventSource;
  window.EventSource = class extends made {
    constructor(...given) { super(...given); window.asked += 1; }
  };
"""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """Return a browser's tab."""
    assert BROWSER is not None
    with open_page(BROWSER, tmp_path) as found:
        yield found


@contextlib.contextmanager
def _serving(**variables: str) -> Generator[Server]:
    """Start the example, as its first lines say."""
    command = ["uvicorn", "examples.web.app:app"]
    with starting(
        lambda _, port: [*command, "--port", str(port)], "", variables=variables
    ) as server:
        server.wait_ready("/runs")
        yield server


def _begin(page: Page, server: Server, task: str = "Write about the sea") -> None:
    page.open("about:blank")
    page.open(f"http://127.0.0.1:{server.port}/")
    page.run(f"text.value = {task!r}; ask.requestSubmit()")
    page.wait_for(IS_RUNNING)


def _keep(page: Page, name: str) -> None:
    """Write a screenshot, if somebody wants to look."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(Path(folder) / f"{name}.png")


@pytest.mark.soak
def test_a_conversation_streams_outlives_a_reload_and_can_be_stopped(page: Page) -> None:
    """A page that is loaded anew has all of the run, each word once; Stop ends it."""
    with _serving() as server:
        _begin(page, server)
        page.wait_for(STREAMED)
        assert page.run(END) is None
        assert page.run(LISTED) == "running"
        page.reload()
        page.wait_for(IS_RUNNING)
        page.wait_for(STREAMED)
        _keep(page, "streaming")
        page.run("stop.click()")
        assert page.wait_for(END) == "Stopped: You pressed Stop."
        assert page.run(SAID).count("The sea is wide") == 1
        assert not page.run(IS_RUNNING)
        page.wait_for(f"{LISTED} == 'stopped'")
        page.run("text.value = '<b>again</b>'; ask.requestSubmit()")
        page.wait_for(f"{LISTED} == 'running,stopped'")
        page.wait_for(f"{SAID}.includes('<b>again</b>')")
        assert "The sea is wide" not in page.run(SAID)
        page.run("history.back()")
        page.wait_for(f"{SAID}.includes('The sea is wide')")
        assert page.wait_for(END) == "Stopped: You pressed Stop."
        _keep(page, "back")


def test_a_page_is_told_that_its_server_stops(page: Page) -> None:
    """After SIGTERM the page shows why, connects no more, and the server is gone in its grace."""
    with _serving(SUPERVISOR_GRACE=f"{GRACE}") as server:
        _begin(page, server)
        page.run(COUNT)
        page.wait_for(STREAMED)
        server.signal(signal.SIGTERM)
        assert page.wait_for(END) == "Stopped by SIGTERM. The server restarts."
        ended = server.wait()
        assert ended.status == -signal.SIGTERM, ended.story()  # uvicorn raises it again
        assert ended.seconds < GRACE, ended.story()
        assert "Traceback" not in ended.output
        assert ended.left == (), ended.story()
        assert page.run("source.readyState == EventSource.CLOSED && asked == 0")
        page.run("text.value = 'Once more'; ask.requestSubmit()")
        page.wait_for(f"{END} == 'The server is stopping. Try again in a moment.'")
        _keep(page, "stopped")
