"""`run --id` in processes of its own: killed, continued, over, and cancelled from elsewhere."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from supervisor._checkpoints.urls import open_store
from tests.cli.headless import PATIENCE, ROOT, Headless, headless
from tests.process.harness import Server

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the turns are noted, in which the user's store is, too."""
    monkeypatch.setenv("KEPT_IN", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("SUPERVISOR_CHECKPOINTS", raising=False)
    return tmp_path


def _command(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Do what a command line says that begins with the program's name."""
    return subprocess.run(
        [sys.executable, "-m", "supervisor", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def _kept(server: Server, folder: Path) -> AbstractContextManager[Headless]:
    """Run the team, or go on with it, in a child of the warm server."""
    environ = {"KEPT_IN": str(folder), "XDG_STATE_HOME": str(folder)}
    return headless("kept", "--id", "one", server=server, environ=environ)


def _until_kept(folder: Path, turns: int) -> None:
    """Wait until so many turns of the run are durable."""
    end = time.monotonic() + PATIENCE
    with closing(open_store(f"sqlite:///{folder}/autogen-supervisor/runs.db")) as store:
        while store.info("one").turn < turns:
            assert time.monotonic() < end
            time.sleep(0.02)


def _said(lines: Sequence[dict[str, Any]]) -> list[str]:
    return [line["source"] for line in lines if line["type"] == "message"]


def test_a_killed_run_goes_on_by_the_line_that_its_result_has(server: Server, folder: Path) -> None:
    """No finished turn is taken again; once it is over, the same line returns what is stored."""
    with headless("kept", "--id", "one") as run:
        run.until('"source": "bob"')
        _until_kept(folder, turns=2)
        shown = json.loads(_command(["show", "one", "--json"]).stdout)
        assert [message["source"] for message in shown["messages"]] == ["user", "ann", "bob"]
        assert shown["run"]["status"] == "running"
        run.signal(signal.SIGKILL)
        ended = run.end()
    assert ended.result["status"] == "killed"
    words = shlex.split(ended.result["resume"])
    assert words == [
        *("autogen-supervisor", "run", "tests.cli.run_targets:kept", "--id", "one"),
    ]

    (folder / "go").touch()
    with _kept(server, folder) as run:
        ended = run.end()
    assert (ended.result["status"], ended.result["resume"]) == ("finished", None)
    assert _said(ended.lines) == ["ann", "bob"]
    assert (folder / "turns").read_text().split() == ["ann", "bob", "ann", "ann", "bob"]

    with _kept(server, folder) as run:
        ended = run.end()
    assert _said(ended.lines) == ["user", "ann", "bob", "ann", "bob"]
    assert len((folder / "turns").read_text().split()) == 5
    assert _command(words[1:]).stdout.count("This is ann.") == 2


def test_a_run_that_is_stopped_before_it_says_anything_shows_nothing_again(
    server: Server, folder: Path
) -> None:
    """What an earlier process has shown is not shown at a stop of a later one."""
    with _kept(server, folder) as run:
        run.until('"source": "bob"')
        run.until_busy()
        _until_kept(folder, turns=2)
        run.signal(signal.SIGINT)
        assert _said(run.end().lines) == ["user", "ann", "bob"]

    (folder / "turns").write_text("ann\nbob\n")  # so the third turn waits once more
    with _kept(server, folder) as run:
        run.until_busy()
        run.signal(signal.SIGINT)
        ended = run.end()
    assert (_said(ended.lines), ended.result["messages"]) == ([], 0)


def test_a_run_is_cancelled_from_another_process(server: Server, folder: Path) -> None:
    """It ends in order with status 1, and nothing goes on with it."""
    with _kept(server, folder) as run:
        run.until('"source": "bob"')
        assert "told to stop" in _command(["cancel", "one"]).stdout
        run.until('"result"')
        assert run.process.wait(PATIENCE) == 1
    result = bytes(run.raw).splitlines()[-1].decode()
    assert '"status": "stopped"' in result
    assert '"resume": null' in result
    refused = _command(["run", "tests.cli.run_targets:kept", "--id", "one"])
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr == (
        "supervisor: the run 'one' was cancelled; "
        "give another --id, or forget it to begin it anew\n"
    )


def test_a_person_is_told_how_to_go_on(folder: Path) -> None:
    """The line comes last, on stdout."""
    target = "tests.cli.run_targets:kept"
    words = ["run", target, "a task", "--id", "one", "--drain", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "supervisor", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            while "busy" not in process.stdout.readline():
                assert process.poll() is None
            process.terminate()
            said = process.stdout.read()
            assert process.wait(PATIENCE) == -signal.SIGTERM
        finally:
            process.kill()
    assert said.endswith(f"\nResume with: autogen-supervisor run {target} --id one\n")
