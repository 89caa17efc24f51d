"""`run --output-format`: each line is JSON, the last is the result and agrees with the status."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.cli.headless import PATIENCE, Headless, headless
from tests.process.commands import NEEDS_NAMESPACE
from tests.process.guarded import no_guard_is_left
from tests.process.harness import Server
from tests.process.namespaces import UNSHARE

pytestmark = pytest.mark.process

QUICK = ("--drain", "0.1", "--cancel", "0.3", "--abandon", "0.3")
_LOADING = """
import sys, time
print("loading", file=sys.stderr, flush=True)
open({path!r}, "w").close()
time.sleep(60)
"""


# -- ways to end ----------------------------------------------------------------------------------


def test_finished_and_what_is_printed_goes_to_stderr() -> None:
    """Python, threads, file descriptor 1 and children write to stderr; stdout has JSON alone."""
    with headless("answering") as run:
        ended = run.end()
    assert ended.result["status"] == "finished"
    assert [line["type"] for line in ended.lines] == [
        *("init", "message", "chunk", "chunk", "message", "result")
    ]
    assert {line["schema_version"] for line in ended.lines} == {1}
    init, task, chunk, _, answer, result = ended.lines
    assert init["agents"] == ["poet"]
    assert (init["task"], init["pid"]) == ("a task", run.process.pid)
    assert (task["source"], task["kind"], task["content"]) == ("user", "TextMessage", "a task")
    assert (chunk["source"], chunk["content"]) == ("poet", "An ")
    assert (answer["source"], answer["content"]) == ("poet", "An answer.")
    assert (result["messages"], result["signal"], result["error"]) == (2, None, None)
    for said in ("by Python", "by a thread", "by a child", "file descriptor 1"):
        assert said in ended.stderr


def test_json_is_the_result_alone(server: Server) -> None:
    """`json` writes one line: the result, with all messages."""
    with headless("answering", output="json", server=server) as run:
        ended = run.end()
    assert [line["type"] for line in ended.lines] == ["result"]
    said = [message["content"] for message in ended.result["transcript"]]
    assert said == ["a task", "An answer."]
    assert ended.result["messages"] == len(said)


@pytest.mark.parametrize(
    ("target", "status", "error"),
    [
        ("failing", 1, ("ZeroDivisionError", "it was zero")),
        ("exiting", 1, ("SystemExit", "3")),
        ("unmade", 2, ("TargetError", "no key")),
        ("no_such_target", 2, ("TargetError", "there is no")),
    ],
)
def test_failed(server: Server, target: str, status: int, error: tuple[str, str]) -> None:
    """A run that raises ends with 1, a target that cannot be made with 2; the result says why."""
    with headless(target, server=server) as run:
        ended = run.end()
    assert ended.result["status"] == "failed"
    assert ended.status == status
    assert ended.result["error"]["type"] == error[0]
    assert error[1] in ended.result["error"]["message"]
    assert ended.lines[0]["type"] == "init"
    assert "supervisor: " in ended.stderr


@pytest.mark.parametrize(
    ("number", "rungs"),
    [(signal.SIGINT, ["CANCEL"]), (signal.SIGTERM, ["DRAIN", "CANCEL"])],
)
def test_stopped_by_a_signal(server: Server, number: signal.Signals, rungs: list[str]) -> None:
    """The agent ends in order, each rung is told, and the process dies by the signal."""
    with headless("waiting", "--drain", "0.1", server=server) as run:
        run.until("message")
        run.signal(number)
        ended = run.end()
    assert ended.result["status"] == "stopped"
    assert ended.result["signal"] == number.name
    assert ended.result["stop_reason"] == f"Stopped by {number.name}"
    assert [line["rung"] for line in ended.lines if line["type"] == "stop"] == rungs
    assert ended.status == -number
    assert "tidied up" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_stop_status_is_for_stops_by_a_signal(server: Server) -> None:
    """`--stop-status` takes the place of the death by the signal; `json` is one line even then."""
    with headless("waiting", "--stop-status", "75", output="json", server=server) as run:
        run.until_busy()
        run.signal(signal.SIGINT)
        ended = run.end()
    assert (ended.status, [line["status"] for line in ended.lines]) == (75, ["stopped"])


def test_timed_out(server: Server) -> None:
    """At `--timeout` the run is stopped in order, with status 124."""
    with headless("waiting", "--timeout", "0.5", server=server) as run:
        ended = run.end()
    assert ended.result["status"] == "timed_out"
    assert ended.result["stop_reason"] == "Stopped after 0.5 s"
    assert "tidied up" in ended.stderr


def test_abandoned(server: Server) -> None:
    """What ends only when it is given up is told, and the process dies by the signal."""
    with headless("refusing", "--cancel", "0.3", "--abandon", "20", server=server) as run:
        run.until("message")
        run.signal(signal.SIGINT)
        ended = run.end()
    assert ended.result["status"] == "abandoned"
    assert ended.status == -signal.SIGINT


@pytest.mark.parametrize("options", [(), ("--quiet",)])
def test_a_team_that_cannot_be_made_is_told_on_stderr_alone(
    server: Server, options: tuple[str, ...]
) -> None:
    """The line has all that the error says, behind its traceback; stdout stays empty."""
    with headless("unmade", *options, output="text", server=server) as run:
        out, err = (said.decode() for said in run.process.communicate(timeout=PATIENCE))
    assert (run.process.returncode, out) == (2, "")
    *traceback, line = err.splitlines()
    assert traceback[0] == "Traceback (most recent call last):"
    assert line.startswith("supervisor: cannot make a team by")
    assert line.endswith("LookupError: " + "no key " * 60 + "at all")


def test_quiet_writes_the_last_message_and_nothing_else(server: Server) -> None:
    """Whatever is printed goes to stderr: by Python, threads, children, and to its descriptor."""
    with headless("answering", "--quiet", output="text", server=server) as run:
        out, err = (said.decode() for said in run.process.communicate(timeout=PATIENCE))
    assert (run.process.returncode, out) == (0, "An answer.\n")
    printed = ("by Python", "to file descriptor 1", "by a thread", "by a child")
    assert all(words in err for words in printed)


def test_quiet_writes_nothing_where_the_run_fails(server: Server) -> None:
    """What another agent has said before is not taken for the answer."""
    with headless("deserted", "--quiet", output="text", server=server) as run:
        out, err = (said.decode() for said in run.process.communicate(timeout=PATIENCE))
    assert (run.process.returncode, out) == (1, "")
    assert "'user' asks its user, and stdin has ended" in err


@pytest.mark.parametrize("options", [(), ("--quiet",)])
def test_a_team_that_fails_is_told_in_a_line_after_one_traceback(
    server: Server, options: tuple[str, ...]
) -> None:
    """Both are the agent's; `--quiet` shows the line alone, on stderr."""
    with headless("failing_team", *options, output="text", server=server) as run:
        out, err = (said.decode() for said in run.process.communicate(timeout=PATIENCE))
    assert run.process.returncode == 1
    if options:
        assert (out, err) == (
            "",
            "supervisor: the run has failed: ZeroDivisionError: it was zero\n",
        )
        return
    assert err.count("Traceback (most recent call last)") == 1
    assert err.count("ZeroDivisionError: it was zero") == 1
    assert out.splitlines()[-1].startswith("Failed: ZeroDivisionError: it was zero; 1 message kept")


@pytest.mark.parametrize("output", ["stream-json", "json"])
def test_forced_while_the_loop_is_blocked(server: Server, output: str) -> None:
    """Where the loop cannot write any more, whoever ends the process writes the result."""
    with headless("blocking", *QUICK, "--timeout", "1", output=output, server=server) as run:
        ended = run.end()
    assert ended.result["status"] == "forced"
    assert ended.result["stop_reason"] == "Stopped after 1 s"


def test_killed_from_outside() -> None:
    """After SIGKILL the guard writes the result."""
    with headless("waiting") as run:
        run.until("message")
        run.signal(signal.SIGKILL)
        ended = run.end()
    assert ended.result["status"] == "killed"
    assert ended.result["messages"] == 1


@NEEDS_NAMESPACE
@pytest.mark.parametrize(
    ("number", "below", "told"), [(signal.SIGTERM, 1, "stopped"), (signal.SIGKILL, 2, "killed")]
)
def test_as_pid_1(number: signal.Signals, below: int, told: str) -> None:
    """As PID 1 the last line is there too, and the status is 128 + n."""
    with headless("waiting", *QUICK, prefix=UNSHARE) as run:
        run.until("message")
        run.signal(number, below=below)
        ended = run.end()
    assert [line["type"] for line in ended.lines].count("result") == 1
    assert ended.lines[-1]["status"] == told
    assert ended.lines[0]["pid"] == 2
    assert ended.status == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_the_target_is_imported(
    server: Server, number: signal.Signals, tmp_path: Path
) -> None:
    """A stop in a slow import is told, and ends the process quietly by its signal."""
    module, loading = tmp_path / "slow.py", tmp_path / "loading"
    module.write_text(_LOADING.format(path=str(loading)), encoding="utf-8")
    with headless(f"{module}:team", server=server) as run:
        _wait_for(loading)
        run.signal(number)
        ended = run.end()
    assert ended.result["status"] == "stopped"
    assert ended.result["signal"] == number.name
    assert ended.status == -number
    assert ended.stderr == "loading\n"


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline
        os.sched_yield()


# -- readers --------------------------------------------------------------------------------------


def test_ten_megabytes_and_no_utf8(server: Server) -> None:
    """A long line comes whole; a lone surrogate becomes U+FFFD."""
    with headless("odd", server=server) as run:
        ended = run.end()
    assert ended.result["status"] == "finished"
    said = ended.lines[2]["content"]
    assert said.startswith("\ufffd \ufffd \x00 xxx")
    assert len(said) > 10_000_000


@pytest.mark.parametrize("output", ["stream-json", "text"])
def test_a_closed_pipe_is_death_by_sigpipe_in_order(server: Server, output: str) -> None:
    """When nobody reads any more the run is stopped, tidies up, and the process dies by SIGPIPE."""
    with headless("chatting", output=output, server=server) as run:
        run.until("message" if output == "stream-json" else "user")
        run.close()
        status = run.process.wait(PATIENCE)
        assert run.process.stderr is not None
        stderr = run.process.stderr.read().decode()
    assert status == -signal.SIGPIPE
    assert "Traceback" not in stderr
    assert ("tidied up" in stderr) is (output != "text")


def test_a_pipe_that_nobody_reads_delays_a_stop_by_the_ladder_at_most(server: Server) -> None:
    """The run waits for its reader; a stop goes on, and ends the process by force."""
    with headless("chatting", *QUICK, server=server) as run:
        run.until("message")
        _until_full(run)
        run.signal(signal.SIGTERM)
        status = run.process.wait(PATIENCE)
        no_guard_is_left(run.process.pid)  # which gives a reader a moment to make room
        assert run.process.stderr is not None
        assert "tidied up" in run.process.stderr.read().decode()
        assert run.process.stdout is not None
        assert b'"result"' not in run.process.stdout.read()
    assert status == 137


def test_a_slow_reader_gets_everything(server: Server) -> None:
    """A reader that comes back after the stop gets each line, and the result."""
    with headless("chatting", "--cancel", "20", "--abandon", "20", server=server) as run:
        run.until("message")
        _until_full(run)
        run.signal(signal.SIGINT)
        ended = run.end()
    assert ended.result["status"] == "stopped"
    assert ended.status == -signal.SIGINT


def _until_full(run: Headless) -> None:
    """Wait until the pipe has taken what it can take."""
    assert run.process.stdout is not None
    fd = run.process.stdout.fileno()
    size = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) if sys.platform == "linux" else 1 << 16
    deadline = time.monotonic() + PATIENCE
    while _waiting_in(fd) < size - 10_000:
        assert time.monotonic() < deadline
        os.sched_yield()


def _waiting_in(fd: int) -> int:
    found: int = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0]
    return found


# -- stdin ----------------------------------------------------------------------------------------


def test_a_question_that_nobody_can_answer(server: Server) -> None:
    """With stdin at its end a question fails the run at once, and says so."""
    with headless("asking", server=server) as run:
        ended = run.end()
    assert ended.result["status"] == "failed"
    assert ended.status == 1
    assert ended.result["error"]["type"] == "EOFError"
    why = "'user' asks its user, and stdin has ended; "
    assert ended.result["error"]["message"].startswith(why)
    assert why in ended.stderr
    assert "user: Enter your response:\n" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_question_is_answered_from_a_pipe(server: Server) -> None:
    """Whoever has the answers can write them to stdin."""
    read, write = os.pipe()
    os.write(write, b"the answer\n")
    with headless("asking", stdin=read, server=server) as run:
        ended = run.end()
    os.close(read)
    os.close(write)
    assert ended.result["status"] == "finished"
    assert ended.lines[-2]["content"] == "the answer"


def test_the_task_from_stdin(server: Server) -> None:
    """`-` reads the task from stdin, to its end."""
    read, write = os.pipe()
    os.write(write, "Dig äöü\n".encode())
    os.close(write)
    with headless("answering", task="-", stdin=read, server=server) as run:
        ended = run.end()
    os.close(read)
    assert ended.result["status"] == "finished"
    assert ended.lines[0]["task"] == "Dig äöü"
