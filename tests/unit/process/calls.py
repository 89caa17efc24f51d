"""Calls that block a thread of a pool until a gate opens."""

from __future__ import annotations

import concurrent.futures
import threading

from supervisor._process.threads import DaemonThreadPool


def blocked_call(pool: DaemonThreadPool, gate: threading.Event) -> concurrent.futures.Future[bool]:
    """Return a call that has begun, and that waits for the gate to open."""
    began = threading.Event()

    def work() -> bool:
        began.set()
        return gate.wait(10)

    call = pool.submit(work)
    assert began.wait(10)
    return call


def orphan(pool: DaemonThreadPool, gate: threading.Event) -> concurrent.futures.Future[bool]:
    """Return a call that waits for the gate, and that nobody waits for."""
    call = blocked_call(pool, gate)
    assert not call.cancel()
    return call
