"""The log, in real children where stderr or fork is concerned."""

from __future__ import annotations

import contextlib
import logging
import os
import pty
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import structlog

from supervisor._reports.log import Reporter, _write_to_stderr, reporter
from supervisor._reports.log_events import LogEvent

ROOT = Path(__file__).parents[3]

PREAMBLE = """
import atexit, logging, os, sys, threading, time
from supervisor._reports.log import reporter
from supervisor._reports.log_events import LogEvent
"""


def start(script: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """Start a Python process in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(script)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


def outcome(script: str) -> tuple[int, bytes, bytes]:
    """Return the status, stdout and stderr of a Python process."""
    with start(script) as process:
        out, err = process.communicate(timeout=15)
        return process.returncode, out, err


class Kept(logging.Handler):
    """A user's handler that keeps the records, and the threads that brought them."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.threads: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)
        self.threads.add(threading.current_thread().name)


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Give a handler on the logger `supervisor`, which lets everything through meanwhile."""
    logger, handler = logging.getLogger("supervisor"), Kept()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture(scope="module")
def reports() -> Reporter:
    """Give the process's own reporter, with its log thread started already."""
    reporter.event(LogEvent("tests begin", logging.CRITICAL))
    assert reporter.flush(10)
    return reporter


def test_an_event_reaches_the_users_handler(reports: Reporter, kept: Kept) -> None:
    """An event is a record of the logger `supervisor`, with its facts as attributes."""
    reports.event(LogEvent("stop requested", logging.WARNING), rung="CANCEL", seconds=2.0)
    assert reports.flush(10)
    (record,) = kept.records
    assert (record.name, record.levelno) == ("supervisor", logging.WARNING)
    assert record.getMessage() == "stop requested"
    assert (vars(record)["rung"], vars(record)["seconds"]) == ("CANCEL", 2.0)


def test_the_record_is_made_in_the_callers_thread(reports: Reporter, kept: Kept) -> None:
    """The record names the caller's thread, while the handler runs in the helper's."""
    reports.event(LogEvent("stop requested", logging.INFO))
    assert reports.flush(10)
    assert kept.records[0].threadName == threading.current_thread().name
    assert kept.threads == {"supervisor-log"}


def test_a_fact_with_a_name_of_records(reports: Reporter, kept: Kept) -> None:
    """A fact whose name `logging` keeps for itself gets an underscore and is not lost."""
    reports.event(LogEvent("task stays", logging.INFO), name="writer", args=(1,), message="x")
    assert reports.flush(10)
    facts = vars(kept.records[0])
    assert (facts["name_"], facts["args_"], facts["message_"]) == ("writer", (1,), "x")


def test_an_exception_comes_along(reports: Reporter, kept: Kept) -> None:
    """An exception given as `exc_info` is the record's."""
    error = ValueError("no")
    reports.event(LogEvent("callback raised", logging.ERROR), exc_info=error)
    assert reports.flush(10)
    assert kept.records[0].exc_info == (ValueError, error, None)


def test_context_variables_of_structlog_are_facts(reports: Reporter, kept: Kept) -> None:
    """Values that the caller bound with structlog's context variables are among the facts."""
    with structlog.contextvars.bound_contextvars(job="j-7"):
        reports.event(LogEvent("stop requested", logging.INFO))
    assert reports.flush(10)
    assert vars(kept.records[0])["job"] == "j-7"


def test_the_level_is_the_users(reports: Reporter, kept: Kept) -> None:
    """An event below the logger's level is dropped."""
    logging.getLogger("supervisor").setLevel(logging.WARNING)
    reports.event(LogEvent("noise", logging.INFO))
    assert reports.flush(10)
    assert not kept.records


def test_text_around_percent_signs_is_not_formatted(reports: Reporter, kept: Kept) -> None:
    """An event is text, not a format."""
    reports.event(LogEvent("100 %s sure", logging.INFO))
    assert reports.flush(10)
    assert kept.records[0].getMessage() == "100 %s sure"


def test_nothing_is_printed_unasked() -> None:
    """With no logging set up, events and their lines print nothing where stderr is no terminal."""
    script = """
    reporter.event(LogEvent("stop requested", logging.CRITICAL), line="SIGTERM: stopping.")
    assert reporter.flush(10)
    """
    assert outcome(script) == (0, b"", b"")


def test_a_line_is_shown_on_a_terminal() -> None:
    """An event's line is shown where stderr is a terminal."""
    ours, theirs = pty.openpty()
    try:
        script = """
        reporter.event(LogEvent("stop requested", logging.INFO), line="SIGTERM: stopping.")
        assert reporter.flush(10)
        """
        with start(script, stderr=theirs) as process:
            assert process.wait(10) == 0
        assert os.read(ours, 1000) == b"SIGTERM: stopping.\r\n"
    finally:
        os.close(ours)
        os.close(theirs)


def test_text_is_always_written() -> None:
    """Text goes to stderr in the order in which it came, whatever stderr is."""
    script = r"""
    for number in range(50):
        reporter.write(f"{number} ")
    reporter.write("\u00e4 \udc80\n")
    """
    expected = " ".join(str(number) for number in range(50)).encode() + b" \xc3\xa4 \\udc80\n"
    assert outcome(script) == (0, b"", expected)


def test_a_full_pipe_delays_nobody() -> None:
    """With stderr a full pipe that nobody reads, reporting, the log and the exit go on."""
    script = """
    class Printer(logging.Handler):
        def emit(self, record):
            os.write(1, record.getMessage().encode() + b"\\n")
    logging.getLogger("supervisor").addHandler(Printer())
    logging.getLogger("supervisor").setLevel(logging.INFO)
    began = time.monotonic()
    for _ in range(100):
        reporter.write("x" * 65536)
    reporter.event(LogEvent("still logged", logging.INFO))
    assert not reporter.flush(0.05)
    assert time.monotonic() - began < 2, time.monotonic() - began
    print("over", flush=True)
    """
    with start(script) as process:
        # Its stderr stays unread until it has ended.
        assert process.wait(10) == 0
        out, _ = process.communicate()
    assert sorted(out.splitlines()) == [b"over", b"still logged"]


def test_a_hanging_log_handler_does_not_hold_stderr() -> None:
    """While a user's handler hangs, text is still written to stderr."""
    script = """
    class Hanging(logging.Handler):
        def emit(self, record):
            time.sleep(60)
    logging.getLogger("supervisor").addHandler(Hanging())
    logging.getLogger("supervisor").setLevel(logging.INFO)
    reporter.event(LogEvent("stop requested", logging.INFO))
    reporter.write("report")
    assert not reporter.flush(0.2)
    os._exit(0)
    """
    assert outcome(script) == (0, b"", b"report")


def test_a_record_factory_that_raises_stops_nobody() -> None:
    """A record factory that raises does not stop the caller; stderr says what was lost."""
    code, out, err = outcome("""
        def refuse(*args, **options): raise ValueError("no")
        logging.setLogRecordFactory(refuse)
        logging.basicConfig(level=logging.INFO)
        reporter.event(LogEvent("stopped", logging.INFO))
        reporter.flush(5)
        print("on")
    """)
    report = b"supervisor: no log record of 'stopped' could be made: ValueError('no')\n"
    assert (code, out, err) == (0, b"on\n", report)


def test_a_handler_that_raises_does_not_end_the_thread() -> None:
    """A handler that raises is named on stderr for each record, and the next records still come."""
    script = """
    class Raising(logging.Handler):
        def handle(self, record):
            print(record.getMessage(), flush=True)
            raise SystemExit("no")
    logging.getLogger("supervisor").addHandler(Raising())
    logging.getLogger("supervisor").setLevel(logging.INFO)
    for event in ("first", "second"):
        reporter.event(LogEvent(event, logging.INFO))
    assert reporter.flush(10)
    assert reporter.flush(10)
    """
    report = b"supervisor: a log handler raised SystemExit('no')\n"
    assert outcome(script) == (0, b"first\nsecond\n", report * 2)


def test_a_forked_child_starts_anew() -> None:
    """A forked child reports by itself, also if the parent's helper was stuck."""
    script = """
    import warnings
    warnings.simplefilter("ignore")  # 3.12 warns of forks in processes with threads
    reporter.write("parent ")
    assert reporter.flush(10)
    child = os.fork()
    reporter.write("child " if child == 0 else "")
    assert reporter.flush(10)
    if child:
        os.waitpid(child, 0)
        reporter.write("parent")
    """
    assert outcome(script) == (0, b"", b"parent child parent")


def test_without_a_stderr_nothing_is_written(tmp_path: Path) -> None:
    """If stderr was closed at the start, a file that got its number stays as it was."""
    target = tmp_path / "file"
    script = f"""
    fd = os.open({str(target)!r}, os.O_CREAT | os.O_WRONLY)
    os.dup2(fd, 2)
    reporter.write("text")
    assert reporter.flush(10)
    """
    command = [sys.executable, "-c", PREAMBLE + textwrap.dedent(script)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    shell = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    assert subprocess.run(shell, env=environment, check=False, timeout=15).returncode == 0
    assert target.read_bytes() == b""


@contextlib.contextmanager
def piped() -> Generator[int]:
    """Have a pipe in the place of stderr meanwhile, and return the fd that reads it."""
    found, (reads, writes) = os.dup(2), os.pipe()
    os.dup2(writes, 2)
    os.close(writes)
    try:
        yield reads
    finally:
        os.dup2(found, 2)
        os.close(found)


def test_a_stderr_that_does_not_block_gets_the_whole_text() -> None:
    """Somebody has made it non-blocking, and it is full: the rest follows as there is room."""
    text = "x" * 1_000_000
    writer = threading.Thread(target=_write_to_stderr, args=(text,))
    with piped() as reads, os.fdopen(reads, "rb") as reader:
        os.set_blocking(2, False)
        writer.start()
        assert reader.read(len(text)) == text.encode()
        writer.join()


def test_a_stderr_that_nobody_reads_any_more_fails_nothing() -> None:
    """What cannot be written is dropped."""
    with piped() as reads:
        os.close(reads)
        _write_to_stderr("lost")


def test_started_threads_write_at_the_interpreters_end() -> None:
    """Threads that were started before write a report at the interpreter's end."""
    script = """
    reporter.start()
    logging.getLogger("supervisor").addHandler(logging.StreamHandler(sys.stdout))
    def report():
        reporter.write("for a person")
        reporter.event(LogEvent("for the log", logging.ERROR))
        reporter.flush(5)
    atexit.register(report)
    """
    assert outcome(script) == (0, b"for the log\n", b"for a person")


def test_flush_before_any_report(reports: Reporter) -> None:
    """Where nothing was reported there is nothing to wait for."""
    began = time.monotonic()
    assert reports.flush(10)
    assert Reporter().flush(10)
    assert time.monotonic() - began < 5
