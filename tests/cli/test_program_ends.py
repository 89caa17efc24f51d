"""How a program that is run as it is goes on after a stop, and how it ends."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Final

import pytest

from tests.cli.programs import AT_WORK, Program, running, written
from tests.process.harness import MARGIN, Server, alive

pytestmark = pytest.mark.process

_WORK: Final = """
import asyncio, atexit, os, signal, sys, time
sys.path.append(os.environ["SCRIPTS"])

async def work():
    print("at work", flush=True)
    await asyncio.sleep(60)

async def talk():
    from autogen_agentchat.agents import AssistantAgent
    from work import thinking
    return (await AssistantAgent("assistant", thinking()).run(task="Hello")).stop_reason
"""


def _stopped(program: Program, number: int, *, within: float = 0.0) -> int:
    program.until(AT_WORK)
    at = program.child.signal(number)
    status = program.wait()
    assert time.monotonic() - at < within + MARGIN, program.story()
    return status


def test_a_cancelled_loop_raises_what_it_would_raise_by_itself(
    server: Server, tmp_path: Path
) -> None:
    """KeyboardInterrupt for SIGINT: the program's own `except` and `finally` work."""
    script = written(
        tmp_path,
        _WORK,
        """
        try:
            asyncio.run(work())
        except KeyboardInterrupt:
            print("interrupted")
        finally:
            print("cleaned up")
        """,
    )
    with running(server, script) as program:
        assert _stopped(program, SIGINT) == -SIGINT, program.story()
        assert program.stdout.endswith("interrupted\ncleaned up\n"), program.story()


def test_it_is_a_system_exit_for_sigterm(server: Server, tmp_path: Path) -> None:
    """Whose code is what a shell would say; `except Exception` does not see it."""
    script = written(
        tmp_path,
        _WORK,
        """
        try:
            asyncio.run(work())
        except SystemExit as error:
            print("exit", error.code)
        """,
    )
    with running(server, script) as program:
        assert _stopped(program, SIGTERM) == -SIGTERM, program.story()
        assert program.stdout.endswith("exit 143\n"), program.story()


def test_a_later_loop_is_not_started(server: Server, tmp_path: Path) -> None:
    """It raises the same again, so a loop over jobs ends; nothing is shown."""
    script = written(
        tmp_path,
        _WORK,
        """
        print(asyncio.run(talk()))
        loop = asyncio.new_event_loop()
        for start in (
            asyncio.new_event_loop().run_forever,
            lambda: loop.run_until_complete(loop.create_future()),
        ):
            try:
                start()
            except KeyboardInterrupt:
                print("refused")
        for _ in range(3):
            try:
                asyncio.run(work())
                print("never")
            except Exception:
                print("never")
        """,
    )
    with running(server, script) as program:
        assert _stopped(program, SIGINT) == -SIGINT, program.story()
        assert program.stdout == "at work\nStopped by SIGINT\n" + 2 * "refused\n", program.story()
        assert program.child.stderr == "", program.story()


@pytest.mark.parametrize("status", [0, 7])
def test_an_explicit_exit_status_wins(server: Server, tmp_path: Path, status: int) -> None:
    """What the program says of itself counts, and 0 as well."""
    script = written(tmp_path, _WORK, f"asyncio.run(talk())\nsys.exit({status})")
    with running(server, script) as program:
        assert _stopped(program, SIGINT) == status, program.story()


def test_an_exit_without_a_status_says_nothing(server: Server, tmp_path: Path) -> None:
    """As console scripts call it, whose function returns None: the signal counts."""
    script = written(tmp_path, _WORK, "asyncio.run(talk())\nsys.exit()")
    with running(server, script) as program:
        assert _stopped(program, SIGINT) == -SIGINT, program.story()


def test_an_error_after_the_stop_is_shown(server: Server, tmp_path: Path) -> None:
    """It is the program's own; the death is that of the stop."""
    script = written(tmp_path, _WORK, "asyncio.run(talk())\nraise ValueError('not saved')")
    with running(server, script) as program:
        assert _stopped(program, SIGINT) == -SIGINT, program.story()
        assert "ValueError: not saved\n" in program.child.stderr, program.story()
        assert "supervisor" not in program.child.stderr, program.story()


def test_the_program_goes_on_until_the_deadline(server: Server, tmp_path: Path) -> None:
    """Code without a loop is bounded, too: the process is ended by force."""
    script = written(tmp_path, _WORK, "asyncio.run(talk())\ntime.sleep(60)")
    with running(server, script, options=["--grace", "1"]) as program:
        assert _stopped(program, SIGINT, within=1.0) == 137, program.story()
        assert "something refused to stop" in program.child.stderr, program.story()


def test_what_the_interpreter_waits_for_is_bounded(server: Server, tmp_path: Path) -> None:
    """A thread that goes on keeps the process only until the deadline."""
    script = written(
        tmp_path,
        _WORK,
        """
        import threading
        threading.Thread(target=time.sleep, args=(60,)).start()
        asyncio.run(talk())
        sys.exit(3)
        """,
    )
    with running(server, script, options=["--grace", "1"]) as program:
        assert _stopped(program, SIGINT, within=1.0) == 137, program.story()


def test_after_a_stop_ctrl_c_is_pythons_again(server: Server, tmp_path: Path) -> None:
    """No loop runs: it is a KeyboardInterrupt at once, where our handlers would only count it."""
    script = written(
        tmp_path,
        _WORK,
        """
        asyncio.run(talk())
        try:
            print("sleeps", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print("again")
        """,
    )
    with running(server, script) as program:
        program.until(AT_WORK)
        program.child.signal(SIGINT)
        program.until("sleeps\n")
        program.child.signal(SIGINT)
        assert program.wait() == -SIGINT, program.story()
        assert program.stdout.endswith("again\n"), program.story()


def test_between_two_loops_signals_are_pythons(server: Server, tmp_path: Path) -> None:
    """Handlers and the wakeup fd are as found once a loop has ended."""
    script = written(
        tmp_path,
        _WORK,
        """
        found = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
        for _ in range(3):
            asyncio.run(asyncio.sleep(0))
        assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == found
        assert signal.set_wakeup_fd(-1) == -1
        print("at work", flush=True)
        time.sleep(60)
        """,
    )
    with running(server, script) as program:
        assert _stopped(program, SIGINT) == -SIGINT, program.story()
        assert program.child.stderr.endswith("\nKeyboardInterrupt\n"), program.story()
        assert "supervisor" not in program.child.stderr, program.story()


def test_a_program_with_a_supervisor_is_left_to_it(server: Server, tmp_path: Path) -> None:
    """Its block ends, and the program goes on after it, which ours would have cancelled."""
    script = written(
        tmp_path,
        _WORK,
        """
        from supervisor import Supervisor

        async def main():
            async with Supervisor(signals={"SIGINT": "CANCEL"}) as sup:
                await talk()
            print(sup.stop_request.reason)
            await asyncio.sleep(0.01)
            print("went on", flush=True)

        asyncio.run(main())
        sys.exit(5)
        """,
    )
    with running(server, script) as program:
        assert _stopped(program, SIGINT) == 5, program.story()
        assert program.stdout.endswith("Stopped by SIGINT\nwent on\n"), program.story()


def test_a_program_of_ours_is_left_alone(server: Server, tmp_path: Path) -> None:
    """One that calls `supervisor.run` ends as it would without us."""
    script = written(
        tmp_path,
        _WORK,
        """
        import supervisor

        async def main(sup):
            await work()

        supervisor.run(main, stop_status=9)
        """,
    )
    with running(server, script) as program:
        assert _stopped(program, SIGINT) == 9, program.story()


def test_a_handler_set_while_the_loop_runs_is_called(server: Server, tmp_path: Path) -> None:
    """And we hear the signal, too."""
    script = written(
        tmp_path,
        _WORK,
        """
        async def main():
            signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"called\\n"))
            await work()

        asyncio.run(main())
        """,
    )
    with running(server, script, options=["--grace", "1.5"]) as program:
        assert _stopped(program, SIGTERM) == -SIGTERM, program.story()
        assert program.stdout.endswith("called\n"), program.story()


@pytest.mark.parametrize("where", ["before the loop", "in the loop"])
def test_a_program_that_handles_the_signal_may_end_in_order(
    server: Server, tmp_path: Path, where: str
) -> None:
    """As a web server does: its body knows of the stop, and is not cancelled before ABANDON."""
    script = written(
        tmp_path,
        _WORK,
        f"""
        asked = []
        if {where!r} == "before the loop":
            signal.signal(signal.SIGTERM, lambda *_: asked.append(True))

        async def main():
            if {where!r} == "in the loop":
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.append, True)
            print("at work", flush=True)
            while not asked:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            print("ended in order")

        asyncio.run(main())
        """,
    )
    with running(server, script) as program:
        assert _stopped(program, SIGTERM) == -SIGTERM, program.story()
        assert program.stdout.endswith("ended in order\n"), program.story()


@pytest.mark.parametrize("start", ["run_forever()", "run_until_complete(work())"])
def test_a_loop_that_the_program_stops_can_be_used_to_clean_up(
    server: Server, tmp_path: Path, start: str
) -> None:
    """Its own handler has ended the loop, and what it runs then is no new work."""
    script = written(
        tmp_path,
        _WORK,
        f"""
        async def close():
            print("closed")

        loop = asyncio.new_event_loop()
        loop.add_signal_handler(signal.SIGTERM, loop.stop)
        task = loop.create_task(talk())
        try:
            loop.{start}
        except RuntimeError:
            print("stopped before its end")
        finally:
            loop.run_until_complete(close())
            task.cancel()
            sys.exit(0)
        """,
    )
    with running(server, script) as program:
        assert _stopped(program, SIGTERM) == 0, program.story()
        assert program.stdout.endswith("closed\n"), program.story()


def test_a_handler_that_exits_has_its_way(server: Server, tmp_path: Path) -> None:
    """It raises in the loop, as in Python, and its status counts."""
    script = written(
        tmp_path,
        _WORK,
        """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))
        asyncio.run(work())
        """,
    )
    with running(server, script) as program:
        assert _stopped(program, SIGTERM) == 4, program.story()
        assert program.child.stderr == "", program.story()


def test_a_time_limit_stops_a_program(server: Server, tmp_path: Path) -> None:
    """Its runs first, with status 124."""
    script = written(tmp_path, _WORK, "print(asyncio.run(talk()))")
    with running(server, script, options=["--timeout", "1"]) as program:
        program.until(AT_WORK)
        assert program.wait() == 124, program.story()
        assert program.stdout.endswith("Stopped after 1 s\n"), program.story()


def test_a_time_limit_holds_without_a_loop(server: Server, tmp_path: Path) -> None:
    """It interrupts the main thread, and shows nothing."""
    script = written(tmp_path, _WORK, "print('at work', flush=True)\ntime.sleep(60)")
    with running(server, script, options=["--timeout", "0.5"]) as program:
        assert program.wait() == 124, program.story()
        assert program.child.stderr == "", program.story()


def test_a_stop_status_replaces_the_signal(server: Server, tmp_path: Path) -> None:
    """As in `supervisor.run`."""
    script = written(tmp_path, _WORK, "asyncio.run(work())")
    with running(server, script, options=["--stop-status", "75"]) as program:
        assert _stopped(program, SIGINT) == 75, program.story()


def test_no_process_is_left(server: Server, tmp_path: Path) -> None:
    """Neither one from before the loop, nor one in a session of its own."""
    script = written(
        tmp_path,
        _WORK,
        """
        import subprocess
        children = [subprocess.Popen(["sleep", "60"])]

        async def main():
            children.append(subprocess.Popen(["sleep", "60"], start_new_session=True))
            print(*[child.pid for child in children])
            await work()

        asyncio.run(main())
        """,
    )
    with running(server, script) as program:
        assert _stopped(program, SIGINT) == -SIGINT, program.story()
        assert not alive(map(int, program.stdout.split("\n")[0].split())), program.story()


def test_a_task_that_nobody_awaits_ends_with_its_loop(server: Server, tmp_path: Path) -> None:
    """As under Python: `asyncio.run` returns, and does not wait for its run."""
    script = written(
        tmp_path,
        _WORK,
        """
        async def main():
            task = asyncio.create_task(talk())
            await asyncio.sleep(0.3)
            return "returned"

        print(asyncio.run(main()))
        """,
    )
    with running(server, script) as program:
        assert program.wait() == 0, program.story()
        assert program.stdout.endswith("returned\n"), program.story()
        assert program.child.stderr == "", program.story()


def test_where_no_start_was_seen_the_run_is_supervised(server: Server, tmp_path: Path) -> None:
    """A loop that steps by itself: the run opens a block, and the program goes on after it."""
    script = written(
        tmp_path,
        _WORK,
        """
        class Loop(asyncio.SelectorEventLoop):
            def run_until_complete(self, future):
                asyncio._set_running_loop(self)
                try:
                    task = self.create_task(future)
                    while not task.done():
                        self._run_once()
                    return task.result()
                finally:
                    asyncio._set_running_loop(None)

        async def main():
            nested = work()
            try:
                asyncio.Runner().run(nested)
            except RuntimeError:
                nested.close()
            print(await talk())
            try:
                print(await talk())
            except asyncio.CancelledError:
                print("no other run")

        Loop().run_until_complete(main())
        """,
    )
    with running(server, script) as program:
        assert _stopped(program, SIGINT) == -SIGINT, program.story()
        assert program.stdout == "at work\nStopped by SIGINT\nno other run\n", program.story()
        assert program.child.stderr == "", program.story()


@pytest.mark.parametrize("how", ["run({})", "new_event_loop().run_until_complete({})"])
def test_uvloop_leaves_the_signals_to_python(server: Server, tmp_path: Path, how: str) -> None:
    """After its loop Ctrl-C is a KeyboardInterrupt at once."""
    script = written(
        tmp_path,
        _WORK,
        f"import uvloop\nuvloop.{how.format('asyncio.sleep(0)')}",
        "print('at work', flush=True)\ntime.sleep(60)",
    )
    with running(server, script) as program:
        assert _stopped(program, SIGINT) == -SIGINT, program.story()
        assert program.child.stderr.endswith("\nKeyboardInterrupt\n"), program.story()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="has no eager tasks")
def test_a_loop_with_eager_tasks_runs_without_us(server: Server, tmp_path: Path) -> None:
    """They cannot be followed; Ctrl-C does what it does in Python."""
    script = written(
        tmp_path,
        _WORK,
        """
        def make():
            loop = asyncio.new_event_loop()
            loop.set_task_factory(asyncio.eager_task_factory)
            return loop

        asyncio.run(work(), loop_factory=make)
        """,
    )
    with running(server, script) as program:
        assert _stopped(program, SIGINT) == -SIGINT, program.story()
        assert "KeyboardInterrupt\n" in program.child.stderr, program.story()


def test_a_loop_in_another_thread_stops_too(server: Server, tmp_path: Path) -> None:
    """While a loop runs in the main thread, which hears the signals; what it ends shows nothing."""
    script = written(
        tmp_path,
        _WORK,
        """
        import threading

        async def main():
            threading.Thread(target=lambda: asyncio.run(work())).start()
            print(await asyncio.to_thread(lambda: asyncio.run(talk())))

        asyncio.run(main())
        """,
    )
    with running(server, script) as program:
        program.until(AT_WORK, times=2)
        assert _stopped(program, SIGINT) == -SIGINT, program.story()
        assert program.stdout.endswith("Stopped by SIGINT\n"), program.story()
        assert program.child.stderr == "", program.story()


def test_a_program_that_forks_is_stopped_with_its_children(server: Server, tmp_path: Path) -> None:
    """A forked child runs its own loop without a supervisor, and ends with the program."""
    script = written(
        tmp_path,
        _WORK,
        """
        asyncio.run(asyncio.sleep(0))
        pid = os.fork()
        if pid:
            print(pid, flush=True)
        asyncio.run(work())
        """,
    )
    with running(server, script) as program:
        program.until(AT_WORK, times=2)
        assert _stopped(program, SIGTERM) == -SIGTERM, program.story()
        pids = [int(word) for word in program.stdout.split() if word.isdecimal()]
        assert len(pids) == 1, program.story()
        assert not alive(pids), program.story()


def test_a_runner_that_was_interrupted_may_clean_up(server: Server, tmp_path: Path) -> None:
    """What the program runs by it behind the stop is let through, a new run of a team is not."""
    script = written(
        tmp_path,
        _WORK,
        """
        async def close():
            await asyncio.sleep(0)
            print("closed")

        with asyncio.Runner() as runner:
            try:
                runner.run(work())
            finally:
                try:
                    runner.run(talk())
                finally:
                    runner.run(close())
        """,
    )
    with running(server, script) as program:
        assert _stopped(program, SIGINT) == -SIGINT, program.story()
        assert program.stdout.endswith("closed\n"), program.story()


def test_a_nested_loop_is_cancelled_from_the_inside_out(server: Server, tmp_path: Path) -> None:
    """Under `nest_asyncio` the body waits for what is nested in it, which may clean up."""
    script = written(
        tmp_path,
        _WORK,
        """
        import nest_asyncio

        nest_asyncio.apply()

        async def inner():
            try:
                asyncio.get_event_loop().run_until_complete(work())
            finally:
                await asyncio.sleep(0)
                print("inner closed")

        async def main():
            try:
                asyncio.run(inner())
            finally:
                print("outer closed")

        try:
            asyncio.run(main())
        finally:
            asyncio.run(work())  # which is refused
        """,
    )
    with running(server, script) as program:
        assert _stopped(program, SIGINT) == -SIGINT, program.story()
        assert program.stdout.endswith("inner closed\nouter closed\n"), program.story()


def test_no_limit_is_a_time_limit_too(server: Server, tmp_path: Path) -> None:
    """`--timeout off`, or more seconds than a timer can take, says nothing."""
    script = written(tmp_path, "import time", "time.sleep(0.1)")
    for limit in ("off", "1e12"):
        with running(server, script, options=["--timeout", limit]) as program:
            assert program.wait() == 0, program.story()
            assert program.child.stderr == "", program.story()
