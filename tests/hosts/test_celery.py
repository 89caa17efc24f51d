"""A Celery worker whose tasks run a team: no way to stop it loses a conversation."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.hosts.celery_workers import Broker, Worker, redis, wait_for

pytestmark = [pytest.mark.process, pytest.mark.blocks, pytest.mark.timeout(120)]

AT_WORK = "GroupChatAgentResponse"  # AutoGen's log: an agent has spoken
DONE = "Maximum number of messages 10 reached"
ONE = "result = count.delay('one'); print(result.id)"
FOLLOW = """
result = app.AsyncResult({!r}).get()
while "goes_on_as" in result:
    result = app.AsyncResult(result["goes_on_as"]).get()
print(result["said"])
"""


@pytest.fixture
def broker(tmp_path: Path) -> Generator[Broker]:
    """Return a broker of its own."""
    with redis(tmp_path) as port:
        broker = Broker(port, tmp_path)
        try:
            yield broker
        finally:
            broker.close()


def _press_twice(worker: Worker) -> None:
    worker.press_ctrl_c()
    worker.until("Hitting Ctrl+C again")
    worker.press_ctrl_c()


WAYS: dict[str, Callable[[Worker], object]] = {
    "warm": lambda worker: worker.signal(signal.SIGTERM),
    "Ctrl-C": Worker.press_ctrl_c,
    "cold": lambda worker: worker.signal(signal.SIGQUIT),
    "Ctrl-C twice": _press_twice,
}


def test_a_warm_shutdown_keeps_the_conversation(broker: Broker) -> None:
    """SIGTERM to the worker: the run finishes its turn, and a task for the rest waits."""
    task = broker.call(ONE)
    with broker.worker("prefork") as worker:
        worker.until(AT_WORK)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0, worker.story()
        assert "entered DRAIN" in worker.output, worker.story()
    assert task
    assert (broker.waiting, broker.unacknowledged) == (1, 0)
    assert broker.is_saved("one")


@pytest.mark.soak
@pytest.mark.parametrize(
    ("pool", "way"),
    [pytest.param("prefork", way, id=f"prefork-{name}") for name, way in WAYS.items()]
    + [pytest.param(pool, WAYS["warm"], id=f"{pool}-warm") for pool in ("threads", "solo")],
)
def test_another_worker_goes_on(broker: Broker, way: Callable[[Worker], object], pool: str) -> None:
    """However a worker is stopped, the next one takes the conversation to its end."""
    task = broker.call(ONE)
    with broker.worker(pool) as worker:
        worker.until(AT_WORK)
        way(worker)
        worker.wait()
    assert (broker.waiting, broker.unacknowledged) == (1, 0), worker.story()
    with broker.worker(pool) as worker:
        assert DONE in broker.call(FOLLOW.format(task)), worker.story()
        assert not broker.is_saved("one")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0, worker.story()


@pytest.mark.soak
def test_a_revoked_task_ends_and_its_process_lives(broker: Broker) -> None:
    """`revoke(terminate=True)`: the state is REVOKED, nothing goes on, the next task is taken."""
    task = broker.call(ONE)
    with broker.worker("prefork") as worker:
        worker.until(AT_WORK)
        broker.call(f"app.control.revoke({task!r}, terminate=True)")
        worker.until("reject requeue=True")
        assert broker.call(f"print(app.AsyncResult({task!r}).state)") == "REVOKED"
        assert "WorkerLostError" not in worker.output, worker.story()
        assert DONE in broker.call(f"{ONE}\n{FOLLOW}".replace("{!r}", "result.id"))
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
    assert (broker.waiting, broker.unacknowledged) == (0, 0)


@pytest.mark.soak
def test_the_soft_time_limit_stops_the_run(broker: Broker) -> None:
    """SIGUSR1, which Celery sends then, is a stop, and no exception in the midst of the loop."""
    task = broker.call(ONE)
    with broker.worker("prefork", "--soft-time-limit", "3") as worker:
        worker.until("Soft time limit (3.0s) exceeded")
        state = f"print(app.AsyncResult({task!r}).state)"
        wait_for(lambda: broker.call(state) == "FAILURE", worker.story)
        assert "entered CANCEL" in worker.output
        assert "SoftTimeLimitExceeded" in worker.output
    assert broker.is_saved("one")
