"""The last line of machine output: exactly one result, however the process ends."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.commands import NEEDS_NAMESPACE
from tests.process.guarded import ROOT, no_guard_is_left, until
from tests.process.last_lines import (
    PATIENCE,
    SINKS,
    command,
    ended,
    ended_into,
    results,
    started,
    the_result,
    until_told,
)
from tests.process.namespaces import UNSHARE
from tests.unit.signals.guards import guards_of

pytestmark = [pytest.mark.process]

# Each way to end, the status of the result, and that of the process; behind three events.
ENDS = {
    "finish": ("assert it.finish(result('finished') + b'\\n')", "finished", 0),
    "refuse": ("stop(); refuse()", "forced", 137),
    "hold": ("it.flush(); stop(); hold()", "forced", -signal.SIGKILL),
    "die": ("it.flush(); die()", "killed", -signal.SIGKILL),
    "exit": ("it.flush(); os._exit(3)", "killed", 3),
}


def _main(body: str) -> str:
    return f"""
async def main(sup):
    it = writer()
    for _ in range(3): event(it)
    {body}
run(main, ladder=LADDER)
"""


@pytest.mark.parametrize("end", ENDS)
def test_one_result_comes_last(end: str) -> None:
    """Each way to end gives exactly one result, which knows of the last event."""
    body, status, process_status = ENDS[end]
    found, output = ended(_main(body))
    assert found == process_status
    assert output.count(b'{"type": "event"}\n') == 3
    result = the_result(output)
    assert (result["status"], result["count"]) == (status, 3)


EXEC = [sys.executable, "-P", "-m", "supervisor", "exec", "--"]


@NEEDS_NAMESPACE
@pytest.mark.parametrize(
    ("end", "parent"), [("refuse", []), ("hold", []), ("die", []), ("die", EXEC)]
)
def test_the_same_as_pid_1(end: str, parent: list[str]) -> None:
    """Where the program is a child of PID 1, `run`'s or `exec`, PID 1 ends after the last line."""
    body, status, _ = ENDS[end]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [*UNSHARE, *parent, *command(_main(body))]
    found = subprocess.run(
        words, capture_output=True, timeout=PATIENCE, check=False, env=environment
    )
    assert found.returncode == 137
    assert the_result(found.stdout)["status"] == status


def test_the_forced_result_knows_of_the_stop() -> None:
    """The functions are called once more at a forced end, and have 0.2 s for that."""
    body = """
async def main(sup):
    global result
    it = writer()
    result = lambda status: json.dumps({"type": "result", "by": sup.stop_request.signal}).encode()
    stop(); refuse()
run(main, ladder=LADDER)
"""
    assert the_result(ended(body)[1])["by"] == signal.SIGTERM
    hanging = body.replace(
        'json.dumps({"type": "result", "by": sup.stop_request.signal})', "hang()"
    )
    hanging = "def hang():\n    while True: time.sleep(1)\n" + hanging
    assert the_result(ended(hanging)[1])["status"] == "forced"


# -- exactly once -----------------------------------------------------------------------------

# Kills the process at one moment of the write of its normal result.
MOMENTS = {
    "before": "die()",
    "in the middle": "real(*words[:-1], 10); die()",
    "behind": "real(*words); die()",
}


@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_in_the_last_write_leaves_one_result(sink: str, moment: str, tmp_path: Path) -> None:
    """A kill before, in or just behind the write of the normal result leaves exactly one."""
    killer = MOMENTS[moment]
    if sink == "appended file":  # takes no `sendfile`; the last write is the result's
        killer = killer.replace("real(*words[:-1], 10)", "real(words[0], words[1][:10])")
        name, last = "write", 'bytes(words[1]).startswith(b\'{"type": "result\')'
    else:
        name, last = "sendfile", "True"
    script = f"""
real = os.{name}
def killing(*words):
    if not ({last}): return real(*words)
    {killer}
os.{name} = killing
""" + _main("it.finish(result('finished') + b'\\n')")
    output = ended_into(sink, script, tmp_path / "output")
    assert the_result(output)["status"] == ("finished" if moment == "behind" else "killed")
    cut = output.splitlines()[-2]
    assert (cut == b'{"type": "') == (moment == "in the middle"), output


# Forks a program again and again, and kills each some time after its first event.
KILLER = """
import random
def program(output):
    os.dup2(output, 1)
    os.setsid()
    async def main(sup):
        it = writer()
        event(it)
        it.finish(result("finished") + b"\\n")
    run(main, loop="asyncio")
    os._exit(0)
for number in range(COUNT):
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        program(theirs)
    os.close(theirs)
    data = os.read(ours, 24)
    end = time.perf_counter() + random.random() * 0.002
    while time.perf_counter() < end: pass
    os.kill(pid, signal.SIGKILL)
    while more := os.read(ours, 65536): data += more
    os.close(ours)
    os.waitpid(pid, 0)
    print(repr(data), flush=True)
"""


SOAK = [pytest.mark.soak, pytest.mark.timeout(300)]


@pytest.mark.parametrize("count", [10, pytest.param(200, marks=SOAK)])
def test_a_kill_at_the_end_leaves_one_result(count: int) -> None:
    """A SIGKILL at any moment around a normal end leaves exactly one result."""
    _, output = ended(KILLER.replace("COUNT", str(count)), PATIENCE + count)
    found = [the_result(ast.literal_eval(line)) for line in output.decode().splitlines()]
    assert len(found) == count
    assert {result["status"] for result in found} <= {"finished", "killed"}


def test_a_forced_end_behind_the_result_adds_none() -> None:
    """A process that has written its result and then hangs is ended without a second one."""
    body = "it.finish(result('finished') + b'\\n'); stop(); refuse()"
    found, output = ended(_main(body))
    assert found == 137
    assert the_result(output)["status"] == "finished"


def test_a_result_behind_the_begin_of_a_forced_end_is_not_written() -> None:
    """The forced end tells what the status will be, whatever the program finishes meanwhile."""
    script = """
        import threading
        from supervisor._process.exit import exit_now
        it, begun = writer(), threading.Event()
        event(it)
        def report(): begun.set(); time.sleep(60)
        threading.Thread(target=exit_now, args=(137, report), daemon=True).start()
        begun.wait()
        it.finish(result('finished') + b'\\n')
        os._exit(0)
    """
    found, output = ended(script)
    assert found == 137
    assert the_result(output)["status"] == "forced"


def test_without_a_result_there_is_none() -> None:
    """A program that says that it writes no last line gets none, also when it is killed."""
    assert results(ended(_main("it.flush(); it.close(); die()"))[1]) == []


def test_without_a_guard_a_kill_leaves_no_result() -> None:
    """Without a guard nobody writes after a kill; a forced end still has its result."""
    unguarded = _main("{}").replace("run(main", "run(main, guard=False")
    assert results(ended(unguarded.replace("{}", "it.flush(); die()"))[1]) == []
    assert the_result(ended(unguarded.replace("{}", "stop(); refuse()"))[1])["status"] == "forced"


# -- the reader -------------------------------------------------------------------------------

BIG = "it.put(b'x' * 300_000 + b'\\n'); tell('ready'); {}"


def test_a_pipe_that_nobody_reads_gets_no_result() -> None:
    """A forced end does not wait for a reader; a cut-off line is all that comes out."""
    with started(_main(BIG.format("stop(); refuse()"))) as it:
        assert it.wait(PATIENCE) == 137
        no_guard_is_left(it.pid)
        assert it.stdout is not None
        output = it.stdout.read()
    assert b"xxx" in output
    assert results(output) == []


@pytest.mark.parametrize("sink", SINKS)
def test_a_cut_off_line_is_ended_before_the_result(sink: str, tmp_path: Path) -> None:
    """A kill within a line leaves its beginning, a newline, and the result."""
    script = """
real = os.write
def killing(fd, data):
    if count < 3 or bytes(data[:1]) != b"{": return real(fd, data)
    real(fd, data[:10])
    die()
os.write = killing
""" + _main("it.flush()")
    output = ended_into(sink, script, tmp_path / "output")
    assert the_result(output)["status"] == "killed"
    assert b'{"type": "\n{"type": "result"' in output


# Each writes faster than it is read, and is killed or refuses to stop.
SLOWLY_READ = """
import random
def program(output, is_killed):
    os.dup2(output, 1)
    os.setsid()
    async def write(it):
        sizes = [10, 100, 3_000, 5_000, 200_000]
        while True:
            it.put(b'{"type": "event", "x": "' + b"x" * random.choice(sizes) + b'"}\\n')
            while it.waiting > 300_000: time.sleep(0.001)
            await asyncio.sleep(0)
    async def main(sup):
        it = writer()
        while True:
            try: await write(it)
            except BaseException: pass
    run(main, loop="asyncio", ladder=LADDER)
for number in range(COUNT):
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        program(theirs, number % 2)
    os.close(theirs)
    data, end, is_told = os.read(ours, 24), time.perf_counter() + random.random() * 0.1, False
    while more := os.read(ours, random.choice([100, 1_000, 65_536])):
        data += more
        if not is_told and time.perf_counter() > end:
            is_told = True
            os.kill(pid, signal.SIGKILL if number % 2 else signal.SIGTERM)
    os.close(ours)
    os.waitpid(pid, 0)
    whole = [line for line in data.splitlines() if line[-1:] == b"}"]
    print(len(data.splitlines()) - len(whole), repr(data[data.rindex(b"{") :]), flush=True)
"""


@pytest.mark.parametrize("count", [4, pytest.param(100, marks=SOAK)])
def test_a_slow_reader_gets_one_result(count: int) -> None:
    """A reader that is slower than the program gets one cut-off line at most, and the result."""
    _, output = ended(SLOWLY_READ.replace("COUNT", str(count)), PATIENCE + count)
    found = [line.split(" ", 1) for line in output.decode().splitlines()]
    assert len(found) == count
    assert {cut for cut, _ in found} <= {"0", "1"}
    statuses = [the_result(ast.literal_eval(result))["status"] for _, result in found]
    assert statuses == ["forced", "killed"] * (count // 2)


def test_a_closed_pipe_is_an_error_that_is_told() -> None:
    """A reader that goes away is told of once, and the process ends as it would."""
    script = """
async def main(sup):
    it = writer(on_error=lambda error: tell(type(error).__name__))
    tell("ready")
    while it.error is None:
        event(it)
        await asyncio.sleep(0.01)
    assert not it.finish(b"result\\n")
run(main, ladder=LADDER)
"""
    with started(script) as it:
        until_told(it, "ready")
        assert it.stdout is not None
        it.stdout.close()
        assert it.stderr is not None
        assert it.stderr.read().count(b"<BrokenPipeError>") == 1
        assert it.wait(PATIENCE) == 0


@pytest.mark.parametrize("end", ["finish", "die"])
def test_a_pipeline_ends_with_the_process(end: str) -> None:
    """The reader's end comes with the end of the process, and the guard is gone soon after."""
    body, _, _ = ENDS[end]
    with started(_main(f"tell('ready'); {body}")) as it:
        until_told(it, "ready")
        assert it.stdout is not None
        it.stdout.read()
        it.wait(PATIENCE)
        until(lambda: not guards_of(it.pid))


def test_the_guard_lets_go_of_the_output_at_the_result() -> None:
    """After the result the guard holds no output, so a program that lives on keeps no reader."""
    script = _main(
        "assert it.finish(result('finished') + b'\\n'); tell('ready'); os.close(1); os.close(2)\n"
        "    await sup.wait_stop()"
    )
    with started(script) as it:
        until_told(it, "ready")
        assert it.stdout is not None
        assert the_result(it.stdout.read())["status"] == "finished"
        assert it.poll() is None


def test_a_forked_child_keeps_no_output() -> None:
    """A child that lives on does not keep the reader, and writes no result."""
    script = _main(
        "pid = os.fork()\n"
        "    if pid == 0:\n"
        "        os.closerange(1, 3); it.put(b'child\\n'); it.update(); time.sleep(60)\n"
        "    tell(f'child {pid}'); it.flush(); die()"
    )
    with started(script) as it:
        assert it.stdout is not None
        child = int(until_told(it, "child"))
        try:
            assert the_result(it.stdout.read())["status"] == "killed"
        finally:
            os.kill(child, signal.SIGKILL)


def test_it_outlives_the_block() -> None:
    """The guard stays until the last line is written, though the block has been left."""
    script = """
async def main():
    async with Supervisor(guard=True):
        it = writer()
        event(it)
        it.flush()
    return it
it = asyncio.run(main())
die()
"""
    assert the_result(ended(script)[1])["status"] == "killed"
    ends = script.replace("die()", "it.close(); tell('ready'); os.closerange(0, 3); time.sleep(60)")
    with started(ends) as it:
        until_told(it, "ready")
        until(lambda: not guards_of(it.pid))
