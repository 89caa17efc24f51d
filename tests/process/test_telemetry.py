"""Telemetry of real processes: providers that are set early and late, and the last export."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.docs.fences import blocks_of

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
PATIENCE = 30

PAGE = (ROOT / "docs" / "guide" / "telemetry.md").read_text()
SET_UP = next(block.text for block in blocks_of(PAGE) if block.language == "python")

PROGRAM = """
import asyncio, os, sys, threading
{early}
from supervisor import Ladder, Supervisor, run
from tests.agents import Agent, Deaf, Stubborn, team
{late}
DEAF, STUBBORN = (lambda: Deaf("ann")), (lambda: Stubborn("ann"))
HASTY = Ladder(drain=0.2, cancel=0.2, abandon=0.2)
SOON = Ladder(drain=0.1)

async def work(sup, agent):
    running = asyncio.create_task(sup.stream(team(agent, turns=1), "go"))
    await agent.is_working.wait()
    os.write(2, b"busy\\n")
    await running

async def block(agent, **settings):
    async with Supervisor(**settings) as sup:
        await work(sup, agent)

{main}
"""


@contextmanager
def _started(main: str, *, early: str = "", late: str = "") -> Generator[subprocess.Popen[str]]:
    """Start a program; `early` is before the imports, and `late` after them."""
    text = PROGRAM.format(early=early, late=late, main=main)
    with subprocess.Popen(
        [sys.executable, "-c", text],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _stopped(process: subprocess.Popen[str]) -> tuple[str, str, float]:
    """Send SIGTERM once it is busy; return stdout, the rest of stderr, and how long it took."""
    assert process.stderr is not None
    assert process.stderr.readline() == "busy\n"
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    out, err = process.communicate(timeout=PATIENCE)
    return out, err, time.monotonic() - began


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    """Return the JSON objects that the console exporters have written."""
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        found, end = decoder.raw_decode(text, at)
        yield found
        at = text.find("{", end)


def _spans(text: str) -> list[Mapping[str, Any]]:
    return [found for found in _objects(text) if "context" in found]


def _metrics(text: str) -> dict[str, list[tuple[Mapping[str, Any], Any]]]:
    """Return the points of each metric in the last export."""
    exports = [found for found in _objects(text) if "resource_metrics" in found]
    scopes = [it for each in exports[-1]["resource_metrics"] for it in each["scope_metrics"]]
    return {
        metric["name"]: [
            (it["attributes"], it.get("value", it.get("count")))
            for it in metric["data"]["data_points"]
        ]
        for scope in scopes
        for metric in scope["metrics"]
    }


BLOCK = "asyncio.run(block(Agent()))"
LATER = """
async def main():
    async with Supervisor() as sup:
{set_up}
        await sup.stream(team(Agent(), turns=1), "go")
asyncio.run(main())
"""


@pytest.mark.parametrize(
    "when",
    [
        pytest.param("before the imports", marks=pytest.mark.soak),
        pytest.param("after them", marks=pytest.mark.soak),
        "in the block",
    ],
)
def test_the_order_of_imports_does_not_matter(when: str) -> None:
    """Whenever the providers are set, the run's span is the root of all that AutoGen does in it."""
    early = SET_UP if when == "before the imports" else ""
    late = SET_UP if when == "after them" else ""
    inside = "".join(f"        {line}\n" for line in SET_UP.splitlines() if line)
    main = LATER.format(set_up=inside if when == "in the block" else "        pass")
    with _started(main, early=early, late=late) as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    spans = _spans(out)
    [root] = [span for span in spans if "supervisor.outcome" in span["attributes"]]
    assert (root["parent_id"], root["attributes"]["supervisor.outcome"]) == (None, "finished")
    named = {span["name"].split()[0]: span["context"]["trace_id"] for span in spans}
    at_work = {named[name] for name in ("invoke_agent", "autogen")}
    assert at_work == {root["context"]["trace_id"]}
    assert _metrics(out)["supervisor.runs"] == [
        ({"supervisor.outcome": "finished", "supervisor.kind": "team"}, 1)
    ]


@pytest.mark.parametrize("ends", [pytest.param("run", marks=pytest.mark.soak), "at once"])
def test_what_a_stopped_process_has_to_tell_is_complete(ends: str) -> None:
    """After SIGTERM the span and the metrics are on stdout, with `atexit` handlers or without."""
    main = {
        "run": "run(main, ladder=SOON)",
        "at once": "asyncio.run(block(DEAF(), ladder=SOON)); os._exit(3)",
    }[ends]
    main = f"async def main(sup):\n    await work(sup, DEAF())\n{main}"
    with _started(main, early=SET_UP) as process:
        out, err, _ = _stopped(process)
    assert process.returncode == (-signal.SIGTERM if ends == "run" else 3), err
    [span] = [it for it in _spans(out) if "supervisor.outcome" in it["attributes"]]
    assert (span["status"]["status_code"], span["attributes"]["error.type"]) == (
        "ERROR",
        "cancelled",
    )
    assert span["attributes"]["supervisor.stop.cause"] == "SIGTERM"
    found = _metrics(out)
    assert found["supervisor.stops"] == [
        ({"supervisor.stop.cause": "SIGTERM", "supervisor.stop.scope": "block"}, 1)
    ]
    assert [value for _, value in found["supervisor.stop.duration"]] == [1]
    assert found["supervisor.runs.active"] == [({}, 0)]


def test_a_forced_end_is_told_of() -> None:
    """A process that is ended by force has counted it, and ended the span of its run."""
    main = "async def main(sup):\n    await work(sup, STUBBORN())\nrun(main, ladder=HASTY)"
    with _started(main, early=SET_UP) as process:
        out, err, _ = _stopped(process)
    assert process.returncode == 137, err
    [span] = [it for it in _spans(out) if "supervisor.outcome" in it["attributes"]]
    assert span["attributes"]["supervisor.outcome"] == "forced"
    assert span["status"]["status_code"] == "ERROR"
    found = _metrics(out)
    assert found["supervisor.exits.forced"] == [({}, 1)]
    assert [has["supervisor.rung"] for has, _ in found["supervisor.stop.duration"]] == ["EXIT"]


HANGING = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

class Hanging(SpanExporter):
    def export(self, spans):
        threading.Event().wait()

tracers = TracerProvider(shutdown_on_exit=False)
tracers.add_span_processor(BatchSpanProcessor(Hanging()))
trace.set_tracer_provider(tracers)
"""


def test_an_exporter_that_hangs_delays_a_stop_by_a_second_at_most() -> None:
    """A stop waits for an exporter within its rungs, and ends as it would have."""
    main = "asyncio.run(block(DEAF(), ladder=Ladder(drain=0.1, cancel=20))); os._exit(3)"
    with _started(main, early=HANGING) as process:
        _, err, took = _stopped(process)
    assert (process.returncode, err) == (3, "")
    assert took < 15


@pytest.mark.soak
def test_an_exporter_that_hangs_does_not_delay_a_forced_end() -> None:
    """The last report and status 137 are as without an exporter."""
    main = "async def main(sup):\n    await work(sup, STUBBORN())\nrun(main, ladder=HASTY)"
    with _started(main, early=HANGING) as process:
        _, err, took = _stopped(process)
    assert process.returncode == 137
    assert "still at work at the end" in err
    assert took < 15


def test_nothing_is_imported_for_who_does_not_trace() -> None:
    """Neither the package nor a run of what is not AutoGen's imports OpenTelemetry."""
    main = """
async def words():
    yield "one"

async def main():
    async with Supervisor() as sup:
        await sup.iterate(words())
asyncio.run(main())
print(*[name for name in sys.modules if name.startswith("opentelemetry")])
"""
    text = f"import asyncio, sys\nfrom supervisor import Supervisor\n{main}"
    ended = subprocess.run(
        [sys.executable, "-c", text],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert ended.stdout == "\n"
