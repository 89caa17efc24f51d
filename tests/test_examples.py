"""Each example runs as its reader would run it: a real process, with a real signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.docs.fences import blocks_of

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
LIMIT_SECONDS = 40
# An example that is stopped ends at once: the ladder has 3 s, the rest is for a busy machine.
SOON_SECONDS = 8.0
WHAT_NO_STOP_SHOWS = ("Traceback", "never retrieved", "task_done", "destroyed but", "never awaited")

pytestmark = [pytest.mark.process, pytest.mark.blocks]


def _start(name: str, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    environ.pop("SUPERVISOR_GRACE", None)
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / name), *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=environ,
        text=True,
    )


def _end(child: subprocess.Popen[str]) -> tuple[str, str]:
    """Return what the child still prints, and what it printed on stderr."""
    with child:
        try:
            out, err = child.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            pytest.fail(f"It did not end.\n{out}\n{err}")
    for sign in WHAT_NO_STOP_SHOWS:
        assert sign not in err, err
    return out, err


def _stop(name: str, number: signal.Signals, after: int = 1) -> tuple[str, int]:
    """Start an example, stop it `after` some lines, and see what it says afterwards."""
    child = _start(name)
    assert child.stdout is not None
    for _ in range(after):
        assert child.stdout.readline()
    begun = time.monotonic()
    child.send_signal(number)
    out, _ = _end(child)
    assert time.monotonic() - begun < SOON_SECONDS
    return out, child.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["terminal/first_stop.py", "terminal/console.py"])
def test_a_stopped_example_tells_what_it_has(name: str, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM: a result that names the signal, and the program goes on to its end."""
    out, status = _stop(name, number)

    assert re.search(rf"^Stopped by {number.name}; [12] messages kept\.$", out, re.MULTILINE)
    assert status == 0


def test_one_signal_stops_several_teams() -> None:
    """Each of three teams has its own result."""
    out, status = _stop("terminal/several_teams.py", signal.SIGINT)

    assert re.findall(r"^Team (\d): Stopped by SIGINT;", out, re.MULTILINE) == ["1", "2", "3"]
    assert status == 0


@pytest.mark.parametrize("after", [1, 3], ids=["as it starts", "in the middle"])
def test_the_demo_stops_by_the_signal(after: int) -> None:
    """Ctrl-C: one line that says what it did, and the status of a program that was interrupted."""
    out, status = _stop("terminal/demo.py", signal.SIGINT, after)

    expected = r"Stopped by SIGINT; \d messages and events kept\."
    assert re.search(expected if after > 1 else rf"{expected}|Stopped before", out)
    assert status == -signal.SIGINT


def test_the_demo_ends_by_itself() -> None:
    """Nobody presses anything: it ends after some ten seconds, with status 0."""
    child = _start("terminal/demo.py")
    out, _ = _end(child)

    assert "Maximum number of messages" in out
    assert child.returncode == 0


def test_a_handler_alone_is_late() -> None:
    """AutoGen alone goes on until its model speaks, seconds after the handler has run."""
    child = _start("terminal/before_and_after.py", "before")
    with child:
        out, _ = child.communicate(timeout=LIMIT_SECONDS)

    assert _seconds(out) > 1.0
    assert "without a TaskResult" in out


def test_the_same_under_a_supervisor_is_not() -> None:
    """The same Ctrl-C, and the result is there at once."""
    child = _start("terminal/before_and_after.py", "after")
    out, _ = _end(child)

    assert _seconds(out) < 1.0
    assert "Stopped by SIGINT" in out
    assert child.returncode == 0


def test_a_container_ends_in_order() -> None:
    """SIGTERM: the turn is finished, and the status is that of the signal."""
    child = _start("container/sigterm.py")
    out, _ = _end(child)

    assert "child: Stopped by SIGTERM; 2 messages and events kept." in out
    assert "status -15" in out
    assert child.returncode == 0


def test_code_stops_runs_in_three_ways() -> None:
    """A time-out, a run's own stop, and the supervisor's from another thread."""
    child = _start("terminal/stop_from_code.py")
    out, _ = _end(child)

    reasons = [line.split(";")[0] for line in out.splitlines()]
    assert reasons == ["Stopped after 0.3 s", "The client went away", "The shop closes"]
    assert child.returncode == 0


def test_without_a_key_it_says_what_to_do() -> None:
    """No key is no error: the example explains, and ends well."""
    child = _start("terminal/openai_model.py")
    out, _ = _end(child)

    assert "Set OPENAI_API_KEY" in out
    assert child.returncode == 0


def test_ctrl_c_at_a_question() -> None:
    """The program ends although nobody answers; what was answered before is in the result."""
    reading, writing = os.pipe()
    child = _start("terminal/ask_the_user.py", stdin=reading)
    os.close(reading)
    os.write(writing, b"green\n")
    assert child.stdout is not None
    for _ in range(8):  # the task, the poet, the answer, the poet again; two lines each
        assert child.stdout.readline()
    child.send_signal(signal.SIGINT)
    out, _ = _end(child)
    os.close(writing)

    assert re.search(r"^Stopped by SIGINT; [56] messages kept\.$", out, re.MULTILINE)
    assert child.returncode == -signal.SIGINT


_REPORT = [
    "Tides: the sea rises twice a day, and falls twice. ",
    "Twice a day the sea comes, twice it goes. ",
    "The sea comes and goes, twice a day. ",
]
_GO_ON = re.compile(r"^Stopped by (\w+)\. To go on: python \S+ (\S+)$", re.MULTILINE)


@pytest.mark.parametrize(
    ("superstep", "number"),
    [
        pytest.param(superstep, number, marks=pytest.mark.soak if superstep != 2 else ())
        for superstep in (1, 2, 3)
        for number in (signal.SIGINT, signal.SIGTERM)
    ],
)
def test_a_workflow_goes_on_from_its_checkpoint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, superstep: int, number: signal.Signals
) -> None:
    """Agent Framework: it says how to go on, and that loses no superstep that was finished."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    child = _start("terminal/workflow.py")
    assert child.stdout is not None
    said = ""
    while said.count("\n") < superstep - 1 or said.endswith("\n") or not said:
        said += os.read(child.stdout.fileno(), 4096).decode()  # past the buffer, up to its words
    child.send_signal(number)
    out, _ = _end(child)
    assert child.returncode == -number
    found = _GO_ON.search(out)
    assert found, out
    finished = superstep if number == signal.SIGTERM else superstep - 1
    assert (said + out).startswith("\n".join(_REPORT[:finished])), said + out

    again = _start("terminal/workflow.py", found[2])
    rest, _ = _end(again)
    assert rest == "".join(f"{part}\n" for part in _REPORT[finished:]) + "The report is done.\n"
    assert again.returncode == 0


def test_every_example_is_run_by_a_test() -> None:
    """An example that no test runs would rot."""
    tests = [*Path(__file__).parent.rglob("*.py"), ROOT / "pyproject.toml"]
    said = "".join(path.read_text(encoding="utf-8") for path in tests)
    unnamed = [path for path in _programs() if not any(name in said for name in _names(path))]
    # Those are run by their numbers, in tests/docs/test_autogen_issues.py.
    assert [path for path in unnamed if path.parent.name != "issues"] == []


def test_every_folder_says_how_to_run_each_of_its_examples() -> None:
    """Each program is in a command of its folder's README, and each file in a command exists."""
    for folder in (path for path in EXAMPLES.iterdir() if (path / "README.md").exists()):
        page = (folder / "README.md").read_text(encoding="utf-8")
        commands = "".join(block.text for block in blocks_of(page) if block.language == "sh")
        files = {ROOT / name for name in re.findall(r"\bexamples/[\w/.-]+", commands)}
        modules = re.findall(r"\bexamples(?:\.\w+)+", commands)
        files |= {ROOT / f"{name.replace('.', '/')}.py" for name in modules}
        assert [file for file in files if not file.exists()] == []
        missing = {path.name for path in _programs() if path.parent == folder and path not in files}
        assert missing <= {"demo.py", "postgres_server.py"}, folder  # `make demo`; a helper


def _programs() -> list[Path]:
    return [path for path in EXAMPLES.rglob("*.py") if path.parent != EXAMPLES]


def _names(path: Path) -> list[str]:
    """Return how a test may name a program: by its path, or as a module."""
    folder = f"examples.{path.parent.name}"
    return [
        path.relative_to(EXAMPLES).as_posix(),
        f"{folder}.{path.stem}",
        f"from {folder} import {path.stem}",
    ]


def _seconds(out: str) -> float:
    found = re.search(r"Ended ([\d.]+) s after Ctrl-C", out)
    assert found, out
    return float(found[1])
