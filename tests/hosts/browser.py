"""A headless Chromium, driven by its DevTools protocol: what a page looks like to its user."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import psutil
from websockets.sync.client import ClientConnection, connect

from tests.hosts.clients import PATIENCE, get

_LOOK_SECONDS: Final = 0.02

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str | None:
    """Return the path of a Chromium; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """A tab.

    Args:
        connection: To the tab's DevTools.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    def call(self, method: str, **params: Any) -> Any:
        """Call a method of the DevTools protocol."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        end = time.monotonic() + PATIENCE
        while True:
            found = json.loads(self._connection.recv(max(0.0, end - time.monotonic())))
            if found.get("id") == number:  # the others are events
                assert "error" not in found, found["error"]
                return found["result"]

    def run(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript; promises are awaited.

        Raises:
            AssertionError: It has thrown.
        """
        found = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Wait until an expression is true, and return its value.

        Raises:
            AssertionError: It is not in time.
        """
        end = time.monotonic() + PATIENCE
        while not (value := self.run(expression)):
            shown = "document.body.innerText"
            assert time.monotonic() < end, f"not {expression}\n{self.run(shown)}"
            time.sleep(_LOOK_SECONDS)
        return value

    def open(self, address: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=address)
        self.wait_for(f"location.href.startsWith({address!r}) && document.readyState == 'complete'")

    def reload(self) -> None:
        """Press the browser's reload button."""
        self.run("window.isOld = true")
        self.call("Page.reload")
        self.wait_for("!window.isOld && document.readyState == 'complete'")

    def screenshot(self, path: Path) -> None:
        """Write what is seen, as a PNG file."""
        found = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))


@contextlib.contextmanager
def open_page(browser: str, folder: Path) -> Generator[Page]:
    """Start a browser with one empty tab; on the way out it is killed.

    Args:
        browser: Its path.
        folder: For its profile.
    """
    profile = folder / "profile"
    command = [
        browser, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}",
        "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--window-size=1200,800", *(["--no-sandbox"] if os.geteuid() == 0 else []), "about:blank",
    ]  # fmt: skip
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        port = _port(process, profile / "DevToolsActivePort", folder / "browser.log")
        with connect(_address(port), max_size=None, proxy=None) as connection:
            yield Page(connection)
    finally:
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a browser and the processes below it, of which some are in groups of their own."""
    processes = [psutil.Process(process.pid)]
    with contextlib.suppress(psutil.NoSuchProcess):
        processes += processes[0].children(recursive=True)
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait(PATIENCE)
    psutil.wait_procs(processes[1:], timeout=PATIENCE)


def _port(process: subprocess.Popen[bytes], file: Path, log: Path) -> int:
    end = time.monotonic() + PATIENCE
    while not (file.exists() and (text := file.read_text()).count("\n")):
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < end, log.read_text(errors="replace")
        time.sleep(_LOOK_SECONDS)
    return int(text.splitlines()[0])


def _address(port: int) -> str:
    """Return the address of the first tab's DevTools."""
    end = time.monotonic() + PATIENCE
    while not (tabs := _tabs(port)):
        assert time.monotonic() < end, "the browser has no tab"
        time.sleep(_LOOK_SECONDS)
    return f"ws://127.0.0.1:{port}/devtools/page/{tabs[0]['id']}"


def _tabs(port: int) -> list[dict[str, Any]]:
    with contextlib.suppress(OSError):  # it names its port a moment before it listens
        found: list[dict[str, Any]] = json.loads(get(port, "/json/list").body)
        return [tab for tab in found if tab["type"] == "page"]
    return []
