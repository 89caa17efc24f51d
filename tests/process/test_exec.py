"""`python -m supervisor exec`: signals, statuses, orphans and terminals of real commands."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import psutil
import pytest

from supervisor import Ladder, Rung
from supervisor._cli.exec import _GRACE, _RESERVE, _VARIABLE
from supervisor._core import settings
from tests.process.commands import (
    EXEC,
    NEEDS_NAMESPACE,
    PATIENCE,
    PLACES,
    SHELL_EXEC,
    at_terminal,
    environment,
    hears,
    started,
)
from tests.process.namespaces import UNSHARE

pytestmark = [pytest.mark.process]


# -- statuses ---------------------------------------------------------------------------------


@PLACES
@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_the_exit_status_is_the_commands(prefix: tuple[str, ...], status: int) -> None:
    """The parent exits with the status of the command."""
    with started([*prefix, *EXEC, "--", "sh", "-c", f"exit {status}"]) as it:
        assert it.wait() == status


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGKILL", "SIGSEGV", "SIGUSR1"])
def test_it_dies_by_the_signal_that_the_command_died_by(name: str) -> None:
    """The parent dies by the command's signal, so a shell sees the command's own end."""
    number = signal.Signals[name]
    with started([*EXEC, "--", "sh", "-c", f"kill -{int(number)} $$"]) as it:
        assert it.wait() == -number


@NEEDS_NAMESPACE
def test_as_pid_1_a_death_by_a_signal_is_a_status() -> None:
    """PID 1 cannot die by its own signal, so its status is 128 + n."""
    with started([*UNSHARE, *EXEC, "--", "sh", "-c", "kill -TERM $$"]) as it:
        assert it.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ([], 125, "no command was given"),
        (["--"], 125, "no command was given"),
        (["--grace", "soon", "--", "true"], 125, "'soon' is not valid for --grace"),
        (["--grace=nan", "--", "true"], 125, "'nan' is not valid for --grace"),
        (["--loud", "true"], 125, "no option '--loud'"),
        (["--", "no-such-command"], 127, "cannot run 'no-such-command'"),
        (["--", "/etc/passwd"], 126, "Permission denied"),
        (["--", "/"], 126, "Permission denied"),
    ],
)
def test_what_cannot_be_has_a_sentence_and_a_status(
    arguments: list[str], status: int, says: str
) -> None:
    """Mistakes give 125, 126 and 127, as env, nohup and timeout do, and never a traceback."""
    found = _output([*EXEC, *arguments])
    assert found.returncode == status
    assert says in found.stderr
    assert "Traceback" not in found.stderr


def test_an_unknown_command_of_ours_and_help() -> None:
    """The usage goes to stdout if it was requested, and to stderr with an error."""
    python = EXEC[:-1]
    assert "usage:" in _output([*python, "--help"]).stdout
    assert "usage:" in _output([*EXEC, "-h"]).stdout
    refused = _output([*python, "start"])
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "'start'" in refused.stderr


def _output(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def test_the_environments_grace_is_the_settings() -> None:
    """The names and numbers that are written twice, to start fast, are the same."""
    assert settings.GRACE_VARIABLE == _VARIABLE
    assert Ladder().budget(Rung.DRAIN) + _RESERVE == _GRACE


# -- signals ----------------------------------------------------------------------------------


@PLACES
def test_signals_are_passed_on(prefix: tuple[str, ...]) -> None:
    """Each signal is passed on once."""
    names = ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "CONT", "ALRM", "TSTP"]
    with started([*prefix, *EXEC, "--grace", "off", "--", *hears(",".join(names))]) as it:
        it.until("<ready>")
        for name in names:
            it.signal(signal.Signals["SIG" + name])
            assert it.until(f"<SIG{name}>").strip() == ""
        # Were the parent killed, nobody would be left to end the command.
        (command,) = psutil.Process(it.pid).children()
        command.kill()
        it.wait()
        assert it.output.strip() == ""


@PLACES
def test_what_does_not_end_is_killed_with_its_group(prefix: tuple[str, ...]) -> None:
    """What does not end by the signal gets SIGKILL after the grace, with its children."""
    script = "trap '' TERM; sleep 60 & echo '<ready>'; while :; do sleep 60; done"
    with started([*prefix, *EXEC, "--grace", "0.4", "--", "sh", "-c", script]) as it:
        it.until("<ready>")
        below = psutil.Process(it.pid).children(recursive=True)
        began = time.monotonic()
        it.signal(signal.SIGTERM)
        assert it.wait() == (128 + signal.SIGKILL if prefix else -signal.SIGKILL)
        assert 0.4 <= time.monotonic() - began < 1.4
        _, alive = psutil.wait_procs(below, timeout=2)
        assert not alive


def test_it_keeps_time_where_sigwait_has_none() -> None:
    """As on macOS, an alarm of its own wakes the parent, and other alarms are passed on."""
    start = "import signal; del signal.sigtimedwait; from supervisor._cli.main import main; "
    start += "main()"
    command = [sys.executable, "-P", "-c", start, "exec", "--grace=0.4", "--"]
    with started([*command, *hears("TERM,ALRM")]) as it:
        it.until("<ready>")
        it.signal(signal.SIGALRM)
        it.until("<SIGALRM>")
        began = time.monotonic()
        it.signal(signal.SIGTERM)
        it.until("<SIGTERM>")
        assert it.wait() == -signal.SIGKILL
        assert 0.4 <= time.monotonic() - began < 1.4


def test_the_grace_may_be_off() -> None:
    """With `off` nothing is killed."""
    with started([*EXEC, "--grace", "off", "--", *hears("TERM,USR1")]) as it:
        it.until("<ready>")
        for number in (signal.SIGTERM, signal.SIGUSR1):
            it.signal(number)
            it.until(f"<{number.name}>")


def test_the_grace_comes_from_theenvironment() -> None:
    """The grace is SUPERVISOR_GRACE and the reserve in which a supervised program ends itself."""
    with started([*EXEC, "--", *hears("TERM")], SUPERVISOR_GRACE="0") as it:
        it.until("<ready>")
        began = time.monotonic()
        it.signal(signal.SIGTERM)
        assert it.wait() == -signal.SIGKILL
        assert _RESERVE <= time.monotonic() - began < _RESERVE + 1


def test_a_stopped_command_is_woken_to_end() -> None:
    """A stopped command is continued, since it gets no SIGTERM before that."""
    with started([*EXEC, "--", *hears("USR1")]) as it:
        it.until("<ready>")
        (command,) = psutil.Process(it.pid).children()
        command.suspend()
        _until(lambda: command.status() == psutil.STATUS_STOPPED)
        it.signal(signal.SIGTERM)
        assert it.wait() == -signal.SIGTERM


@PLACES
def test_what_a_shell_leaves_behind_is_asked_and_waited_for(prefix: tuple[str, ...]) -> None:
    """`sh -c "program"` dies of the signal and does not pass it on; the parent does."""
    program = f"{sys.executable} -c '{_SLOW_TO_END}'; exit 9"
    with started([*prefix, *EXEC, "--", "sh", "-c", program]) as it:
        it.until("<ready>")
        it.signal(signal.SIGTERM)
        it.until("<in order>")
        assert it.wait() == (128 + signal.SIGTERM if prefix else -signal.SIGTERM)


_SLOW_TO_END = """
import os, signal, time
def end(n, f):
    time.sleep(0.2)
    os.write(1, b"<in order>")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
os.write(1, b"<ready>")
while True:
    signal.pause()
"""


def test_what_a_command_leaves_behind_by_itself_is_left_alone() -> None:
    """Without a signal, a helper that a command leaves running goes on."""
    with started([*EXEC, "--", "sh", "-c", "sleep 60 >/dev/null & echo $!; exit 3"]) as it:
        assert it.wait() == 3
        helper = psutil.Process(int(it.until("\n")))
        assert helper.is_running()
        helper.kill()


def test_signals_ignored_at_the_start_stay_ignored_and_start_no_clock() -> None:
    """Ignored signals stay ignored, as under nohup and after `&` in a script."""
    ignoring = ["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh"]
    with started([*ignoring, *EXEC, "--grace", "0", "--", *hears("TERM,USR1")]) as it:
        it.until("<ready>")
        it.signal(signal.SIGHUP)
        it.signal(signal.SIGINT)
        it.signal(signal.SIGUSR1)
        it.until("<SIGUSR1>")
        (command,) = psutil.Process(it.pid).children()
        assert command.is_running()


def test_the_command_finds_signals_as_the_parent_found_them() -> None:
    """The command has no blocked signal, and SIGPIPE at its default, which Python ignores."""
    with started([*EXEC, "--", "grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]) as it:
        assert it.wait() == 0
        assert it.until("SigIgn").split() == ["SigBlk:", "0" * 16]
        # glibc's posix_spawn ignores its own two signals, 32 and 33, in whatever it starts.
        assert int(it.output.strip(": \n"), 16) & ~(0b11 << 31) == 0


# -- orphans ----------------------------------------------------------------------------------


@PLACES
def test_orphans_are_reaped(prefix: tuple[str, ...]) -> None:
    """None of a hundred orphans stays a zombie."""
    orphans = "for n in $(seq 100); do (sleep 0.01 & ) ; done; echo '<ready>'; exec sleep 60"
    with started([*prefix, *EXEC, "--", "sh", "-c", orphans]) as it:
        it.until("<ready>")
        parent = psutil.Process(it.pid)
        _until(lambda: len(parent.children()) == 1)


@PLACES
def test_it_sleeps_while_nothing_happens(prefix: tuple[str, ...]) -> None:
    """The parent does not poll: the kernel counts no further switch to it."""
    with started([*prefix, *EXEC, "--", *hears("USR1")]) as it:
        it.until("<ready>")
        parent = psutil.Process(it.pid)
        it.signal(signal.SIGUSR1)
        it.until("<SIGUSR1>")
        _until(lambda: parent.status() == psutil.STATUS_SLEEPING)
        before = parent.num_ctx_switches()
        time.sleep(0.5)
        assert parent.num_ctx_switches() == before
        assert parent.num_threads() == 1


def _until(is_true: object) -> None:
    end = time.monotonic() + PATIENCE
    while not is_true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


# -- terminals --------------------------------------------------------------------------------


def test_ctrl_c_comes_once_and_starts_no_clock() -> None:
    """The terminal sends Ctrl-C to the command alone, and the parent starts no clock."""
    job = f'{SHELL_EXEC} --grace 0 -- {sys.executable} -c "$HEARS" INT'
    with at_terminal(f"{job}; echo status=$?") as it:
        it.until("<ready>")
        for _ in range(2):
            it.type(b"\x03")
            it.until("<SIGINT>")
        it.type(b"\x1c")  # Ctrl-\ is the default's: it ends
        assert "<SIGINT>" not in it.until(f"status={128 + signal.SIGQUIT}")


def test_ctrl_z_stops_the_job_and_fg_goes_on_with_it() -> None:
    """The shell sees the job stop, and `fg` gives it the terminal again."""
    job = f'{SHELL_EXEC} -- {sys.executable} -c "$HEARS" INT reads'
    with at_terminal(f"{job}; echo first=$?; fg; echo second=$?") as it:
        it.until("<ready>")
        it.type(b"\x1a")
        it.until(f"first={128 + signal.SIGTSTP}")
        it.type(b"hello\n")
        it.until("<read hello>")
        it.type(b"quit\n")
        it.until("second=7")


def test_in_a_pipeline_ctrl_c_comes_once_and_the_keyboard_can_be_read() -> None:
    """The other commands of a pipeline keep the terminal until this one reads from it."""
    job = f'{SHELL_EXEC} -- {sys.executable} -c "$HEARS" INT reads | cat'
    with at_terminal(f"{job}; echo status=${{PIPESTATUS[0]}}") as it:
        it.until("<ready>")
        it.type(b"hello\n")
        it.until("<read hello>")
        it.type(b"quit\n")
        it.until("status=7")
    job = f'{SHELL_EXEC} -- {sys.executable} -c "$HEARS" INT | (trap "" INT; cat)'
    with at_terminal(job) as it:
        it.until("<ready>")
        it.type(b"\x03")
        it.until("<SIGINT>")
        it.type(b"\x03")
        assert it.until("<SIGINT>").count("SIGINT") == 0


def test_the_shell_has_the_terminal_back_behind_it() -> None:
    """The next command of a script reads the keyboard, even without job control."""
    script = f"sh -c '{SHELL_EXEC} -- true; echo ready; read line; echo got $line'"
    with at_terminal(script) as it:
        it.until("ready")
        it.type(b"hello\n")
        it.until("got hello")


@NEEDS_NAMESPACE
def test_as_pid_1_of_a_terminal_ctrl_c_comes_once() -> None:
    """In a container with a terminal the command has the terminal and its keys."""
    job = f'{" ".join(UNSHARE)} {SHELL_EXEC} -- {sys.executable} -c "$HEARS" INT reads'
    with at_terminal(f"{job}; echo status=$?") as it:
        it.until("<ready>")
        it.type(b"\x03")
        assert it.until("<SIGINT>").count("SIGINT") == 0
        it.type(b"quit\n")
        assert "<SIGINT>" not in it.until("status=7")
