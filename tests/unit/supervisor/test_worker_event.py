"""A stop of which hypercorn's parent tells its worker by an event of multiprocessing's."""

from __future__ import annotations

import asyncio
import logging
import math
import multiprocessing
import threading

import pytest

from supervisor import Ladder, Rung, Supervisor
from supervisor._reports.log import reporter
from supervisor._supervisor import host_signals, worker_event
from supervisor._supervisor.host_signals import HostSignals
from supervisor._supervisor.worker_event import WorkerEvent

PATIENCE = 60.0


class Config:
    """What a worker of hypercorn's is given; the part that counts."""

    graceful_timeout = 3.0


def test_no_worker() -> None:
    """Another process has no such event, and needs none."""
    assert not WorkerEvent(on_set=lambda _: None).is_found
    assert not worker_event.is_needed()


async def test_an_event_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a worker of hypercorn's has none, one line says that stops are not heard."""
    host_signals.say_that_stops_are_not_heard.cache_clear()
    monkeypatch.setattr(worker_event, "is_needed", lambda: True)
    written = list[str]()
    monkeypatch.setattr(reporter, "write", written.append)
    with caplog.at_level(logging.WARNING, "supervisor"):
        async with Supervisor(exits=False) as sup:
            host = HostSignals(sup, is_sending=lambda: False)
            host.open()
            host.close()
        await asyncio.to_thread(reporter.flush, 5)
    assert len(written) == 1
    assert "no event" in written[0]
    assert [record.message for record in caplog.records] == ["signals not heard"]


class SetEvent:
    """An event that is set already."""

    def is_set(self) -> bool:
        """Return that it is."""
        return True


@pytest.mark.parametrize(("grace", "is_clipped"), [(0.2, True), (math.inf, False), (None, False)])
async def test_the_ladder_is_clipped(
    monkeypatch: pytest.MonkeyPatch, grace: float | None, is_clipped: bool
) -> None:
    """The stop begins at once, and its DRAIN is no longer than the server's grace allows."""
    monkeypatch.setattr(worker_event, "is_needed", lambda: True)
    config = Config()
    config.graceful_timeout = grace  # type: ignore[assignment]
    arguments = {"shutdown_event": SetEvent(), "config": config}
    monkeypatch.setattr(multiprocessing.current_process(), "_kwargs", arguments, raising=False)
    more = asyncio.Event()

    async def pages() -> None:
        await more.wait()

    async with Supervisor(exits=False, ladder=Ladder(drain=60, cancel=0.1, abandon=0.1)) as sup:
        host = HostSignals(sup, is_sending=lambda: False)
        work = sup.spawn(pages())
        host.open()
        request = await sup.wait_stop()
        assert (request.reason, request.signal) == (host_signals.SHUTS_DOWN, None)
        if is_clipped:
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait([work])
            assert work.cancelled()
        else:
            assert sup.rung is Rung.DRAIN
            more.set()
        host.close()


class NeverSet:
    """An event that is not set, and says when it was asked."""

    def __init__(self) -> None:
        self.was_asked = threading.Event()

    def is_set(self) -> bool:
        """Return that it is not."""
        self.was_asked.set()
        return False


def test_it_is_looked_at_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread ends with the server, though the event was never set."""
    event = NeverSet()
    arguments = {"shutdown_event": event}
    monkeypatch.setattr(multiprocessing.current_process(), "_kwargs", arguments, raising=False)
    watched = WorkerEvent(on_set=lambda _: pytest.fail("it is not set"))
    watched.watch()
    assert event.was_asked.wait(5)
    (thread,) = [it for it in threading.enumerate() if it.name == "supervisor-worker-event"]
    watched.close()
    thread.join(5)
    assert not thread.is_alive()
