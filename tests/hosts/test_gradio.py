"""The page of Gradio's: its Stop button stops the run, and its server ends as others do.

Gradio wants other versions than the rest of the tests, so it gets an environment of its own.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Generator

import pytest

from tests.hosts.command_lines import SERVERS
from tests.hosts.servers import Server, starting
from tests.hosts.stock import STATUS, Way

pytestmark = [pytest.mark.process, pytest.mark.soak, pytest.mark.timeout(600)]

_SOON = 2.0  # the team works for ten
_NEEDED = ["gradio", "autogen-agentchat>=0.7,<0.8", "structlog", "uvloop"]

# A client of Gradio's own. It waits for the first words, and then does what it was told to.
_CLIENT = """
import os, sys, time
from gradio_client import Client

url, how, pid = sys.argv[1:]
job = Client(url, verbose=False).submit("The sea", api_name="/talk")
end = time.monotonic() + 60
while not any(job.outputs()):
    assert time.monotonic() < end, "nothing was said"
    time.sleep(0.02)
if how == "stop":
    assert job.cancel()
else:
    os.kill(int(pid), int(how))
    job.result(timeout=30)
print(job.outputs()[-1])
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an interpreter that has Gradio."""
    folder = tmp_path_factory.mktemp("gradio")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    found = str(folder / "bin" / "python")
    install = [found, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *_NEEDED]
    if subprocess.run(install, capture_output=True, check=False).returncode:
        pytest.skip("Gradio cannot be installed here")
    return found


@pytest.fixture
def server(python: str) -> Generator[Server]:
    """Return a server with the page."""
    variables = {"GRADIO_ANALYTICS_ENABLED": "False"}
    target = "tests.hosts.gradio_app:app"
    with starting(SERVERS["uvicorn"], target, variables=variables, python=python) as started:
        started.wait_ready("/config", seconds=120)
        yield started


def _talk(server: Server, python: str, how: str) -> str:
    command = [python, "-c", _CLIENT, f"http://127.0.0.1:{server.port}/", how, str(server.pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{server.output}"
    return done.stdout


def test_the_stop_button_stops_the_run(server: Server, python: str) -> None:
    """The Stop button ends the run at once, long before its team has finished."""
    said = _talk(server, python, "stop")
    assert "[" not in said  # the reason, which comes with a result
    server.wait_ready("/idle", seconds=_SOON)
    Way.TERM.tell(server)
    assert server.wait().status == STATUS["uvicorn"][Way.TERM]
    assert "Traceback" not in server.output


def test_the_page_is_told_why(server: Server, python: str) -> None:
    """After SIGTERM the page gets the reason, and the server ends as without us."""
    said = _talk(server, python, str(int(signal.SIGTERM)))
    assert "[Stopped by SIGTERM]" in said
    ended = server.wait()
    assert ended.status == STATUS["uvicorn"][Way.TERM], ended.story()
    assert "Traceback" not in ended.output
