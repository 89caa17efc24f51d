"""A program that nobody stops, or that runs no loop, behaves as under `python`.

It is run by both, and what they do is compared.
"""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Sequence
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Final, NamedTuple

import pytest

from tests.cli.programs import SCRIPTS, python

pytestmark = pytest.mark.process

_PATIENCE: Final = 30.0
_READY: Final = "ready\n"


class _End(NamedTuple):
    status: int
    stdout: str
    stderr: str


def _ends(folder: Path, words: Sequence[str], signal: Signals | None = None) -> list[_End]:
    """Return how the words end under Python, and under ours."""
    started = [python(*each, *words, cwd=folder) for each in ((), ("-m", "supervisor", "run"))]
    return [_end(process, signal) for process in started]


def _end(process: subprocess.Popen[str], signal: Signals | None) -> _End:
    with process:
        try:
            said = ""
            if signal is not None:
                assert process.stdout is not None
                said = process.stdout.readline()
                assert said == _READY, process.stderr
                process.send_signal(signal)
                process.wait(_PATIENCE)  # its stdin stays open until then
            stdout, stderr = process.communicate(timeout=_PATIENCE)
        except BaseException:
            process.kill()
            raise
        return _End(process.returncode, said + stdout, stderr)


def _write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return name


_PROGRAMS: Final = {
    "what it sees": """
        import sys
        print(sorted(globals()), __name__, __file__, __spec__, __package__, __doc__, __builtins__)
        print(sys.argv, sys.path[0], type(__loader__).__name__, sys.modules["__main__"].__name__)
        """,
    "an exception in a loop": """
        import asyncio

        def fail():
            raise LookupError("in vain")

        async def main():
            try:
                1 / 0
            except ZeroDivisionError:
                fail()

        asyncio.run(main())
        """,
    "exceptions in a group": """
        import asyncio

        async def fail(why):
            raise ValueError(why)

        async def main():
            async with asyncio.TaskGroup() as group:
                group.create_task(fail("one"))
                group.create_task(fail("two"))

        asyncio.run(main())
        """,
    "a syntax error": "x = = 1\n",
    "an exit": "import sys\nsys.exit(3)\n",
    "an exit with a message": "import sys\nsys.exit('in vain')\n",
    "an exit in a loop": """
        import asyncio, sys

        async def main():
            try:
                sys.exit(4)
            finally:
                print("cleaned up")

        asyncio.run(main())
        """,
    "wrong uses of a loop": """
        import asyncio

        async def nothing():
            pass

        async def nested():
            coro = nothing()
            try:
                asyncio.run(coro)
            except RuntimeError as error:
                print(error)
            coro.close()

        try:
            asyncio.run(print)
        except ValueError as error:
            print(error)
        asyncio.run(nested())
        with asyncio.Runner() as runner:
            runner.run(nothing())
        coro = nothing()
        try:
            runner.run(coro)
        except RuntimeError as error:
            print(error)
        coro.close()
        """,
    "a loop in a thread": """
        import asyncio, threading

        async def main():
            return threading.current_thread().name

        thread = threading.Thread(target=lambda: print(asyncio.run(main())), name="other")
        thread.start()
        thread.join()
        """,
    "an exception in a thread": """
        import asyncio, threading

        async def main():
            1 / 0

        thread = threading.Thread(target=lambda: asyncio.run(main()), name="other")
        thread.start()
        thread.join()
        """,
    "what no loop can run": """
        import asyncio

        loop = asyncio.new_event_loop()
        for wrong in (5, asyncio.new_event_loop().create_future()):
            try:
                loop.run_until_complete(wrong)
            except (TypeError, ValueError) as error:
                print(type(error).__name__, error)
        """,
    "a hook for exceptions": """
        import sys
        sys.excepthook = lambda *a: print(a[0].__name__, a[2].tb_frame.f_code.co_filename)
        1 / 0
        """,
    "a hook for exceptions that fails": """
        import atexit, sys

        def fail(*_):
            raise RuntimeError("in the hook")

        atexit.register(lambda: print(sys.last_type, sys.last_value))
        sys.excepthook = fail
        1 / 0
        """,
    "a body that its loop was stopped under": """
        import asyncio

        loop = asyncio.new_event_loop()
        loop.call_soon(loop.stop)
        try:
            loop.run_until_complete(asyncio.sleep(60))
        except RuntimeError as error:
            print(error)
        loop.close()
        """,
    "processes": """
        import concurrent.futures, multiprocessing

        class Note:
            pass

        def note(number):
            return Note, number, __name__

        if __name__ == "__main__":
            spawn = multiprocessing.get_context("spawn")
            with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as executor:
                print(executor.submit(note, 1).result())
            with multiprocessing.get_context("fork").Pool(1) as pool:
                print(pool.map(note, [2, 3]))
        """,
    "a fork that runs a loop": """
        import asyncio, os, signal, warnings

        warnings.simplefilter("ignore")  # from 3.12 on a fork beside threads warns: ours are some

        async def main():
            signalled = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, signalled.set)
            os.kill(os.getpid(), signal.SIGUSR1)
            await signalled.wait()
            print("in the fork", flush=True)

        async def parent():
            pid = os.fork()
            if pid == 0:
                os._exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)

        asyncio.run(parent())
        pid = os.fork()
        if pid == 0:
            asyncio.run(main())
            raise SystemExit(8)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
    "what runs at the end": """
        import asyncio, atexit, pickle

        class Note:
            pass

        @atexit.register
        def leave():
            print(type(pickle.loads(pickle.dumps(Note()))), __name__)

        asyncio.run(asyncio.sleep(0))
        """,
}


@pytest.mark.parametrize("what", _PROGRAMS)
def test_a_program_is_run_as_by_python(tmp_path: Path, what: str) -> None:
    """Its output, its traceback and its status are the same; ours shows in none of them."""
    words = [_write(tmp_path, "app.py", _PROGRAMS[what]), "--quiet", "-m", "a task"]
    alone, ours = _ends(tmp_path, words)
    assert ours == alone


def test_a_program_sees_its_path_as_by_python(tmp_path: Path) -> None:
    """Its `__file__` has what was typed, with dots and links."""
    _write(tmp_path, "app.py", "import sys\nprint(__file__, sys.argv, sys.path[0])")
    (tmp_path / "linked").symlink_to(tmp_path, target_is_directory=True)
    alone, ours = _ends(tmp_path, [f"./linked/../{tmp_path.name}/./app.py"])
    assert alone.status == 0, alone.stderr
    assert ours == alone


def test_a_team_that_fails_shows_the_same_traceback(tmp_path: Path) -> None:
    """The frames of the run that we have put in between are left out."""
    text = """
        import asyncio, logging
        from autogen_agentchat.agents import AssistantAgent
        from autogen_agentchat.teams import RoundRobinGroupChat
        from supervisor.testing import ScriptedModel

        logging.disable()

        async def main():
            team = RoundRobinGroupChat([AssistantAgent("writer", ScriptedModel([]))])
            await team.run(task="Write")

        asyncio.run(main())
        """
    alone, ours = _ends(tmp_path, [_write(tmp_path, "app.py", text)])
    assert "IndexError" in ours.stderr
    assert ours == alone


_SEES: Final = """
    import sys
    print(sorted(globals()), __name__, __file__, __package__, __spec__.name, __spec__.origin)
    print(sys.argv, sys.path[0], __cached__)
    """


@pytest.mark.parametrize("words", [["-m", "package"], ["-m", "package.part"], ["package"]])
def test_a_package_is_run_as_by_python(tmp_path: Path, words: list[str]) -> None:
    """By its name, as one of its modules, or by its folder."""
    _write(tmp_path, "package/__init__.py", "import sys\nprint(sys.argv)")
    for name in ("__main__", "part"):
        _write(tmp_path, f"package/{name}.py", _SEES)
    alone, ours = _ends(tmp_path, [*words, "-m", "--help"])
    assert alone.status == 0, alone.stderr
    assert ours == alone


@pytest.mark.parametrize("signal", [SIGINT, SIGTERM])
@pytest.mark.parametrize("place", ["a slow import", "a sleep", "a question"])
def test_where_no_loop_runs_a_signal_does_what_it_does_in_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, signal: Signals
) -> None:
    """The same traceback or none, and the same death."""
    # On one line, for a traceback names the line that the signal has found.
    sleep = "print('ready', flush=True) or time.sleep(60)"
    _write(tmp_path, "slow.py", f"import time\n{sleep}\n")
    texts = {
        "a slow import": "import asyncio\nimport slow\n",
        "a sleep": f"import time\n{sleep}\n",
        "a question": "print('ready', flush=True) or input()\n",
    }
    monkeypatch.setenv("PYTHONNODEBUGRANGES", "1")
    alone, ours = _ends(tmp_path, [_write(tmp_path, "app.py", texts[place])], signal)
    assert ours.status == -signal
    assert ours == alone


def test_a_pool_of_spawned_processes_ends_with_the_program() -> None:
    """Its workers import the script as they do under Python, and `atexit` can pickle."""
    process = python("-m", "supervisor", "run", str(SCRIPTS / "with_pool.py"))
    with process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(2)]
        process.send_signal(SIGINT)
        stdout, stderr = process.communicate(timeout=_PATIENCE)
    assert said == ["[1, 4, 9]\n", "at work\n"]
    assert "pickled Note\n" in stdout
    assert stderr == ""
    assert process.returncode == -SIGINT


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["missing.py"],
            "cannot read 'missing.py': No such file or directory; give its path from this folder",
        ),
        (["-m", "missing"], "there is no module 'missing' to run; install it, or name a file"),
        (
            ["-m", "missing.part"],
            "there is no module 'missing.part' to run: No module named 'missing'",
        ),
        (["-m", "empty"], "cannot run -m empty: 'empty' is a package without a __main__ module"),
        (["empty"], "cannot run 'empty': there is no __main__.py in it; name a file"),
        (
            ["--loop", "uvloop", "app.py"],
            "--loop is for teams and team files; a program chooses its own loop",
        ),
    ],
)
def test_what_cannot_be_run_is_one_clear_line(tmp_path: Path, words: list[str], line: str) -> None:
    """With status 2, and nothing of the program run."""
    _write(tmp_path, "empty/__init__.py", "")
    _write(tmp_path, "app.py", "print('never')")
    ours = _end(python("-m", "supervisor", "run", *words, cwd=tmp_path), None)
    assert ours == _End(2, "", f"supervisor: {line}\n")


_TEAM: Final = """
from supervisor.testing import ScriptedAgent

def make() -> ScriptedAgent:
    return ScriptedAgent("poet", ["Rain."])
"""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "supervisor: app.py started no event loop; to run its team use app.py:make\n"),
        ("import asyncio; asyncio.run(make().run(task='x'))", ""),
        ("raise SystemExit", ""),
    ],
)
def test_a_team_that_is_run_as_a_program_gets_a_hint(tmp_path: Path, more: str, said: str) -> None:
    """Where a program has a team and starts no loop, stderr says how to run the team."""
    name = _write(tmp_path, "app.py", f"{_TEAM}\n{more}\n")
    ended = _end(python("-m", "supervisor", "run", name, "a task", cwd=tmp_path), None)
    assert ended == (0, "", said)
