"""A test that runs a team: Ctrl-C ends pytest, and the team is cleaned up before.

.venv/bin/pytest -s examples/testing/test_counters.py    (press Ctrl-C)

`signals={}` leaves Ctrl-C to pytest. With signals, the block would take it for its own: the run
would be stopped, and pytest would go on with the next test.
"""

from __future__ import annotations

import pytest

from examples.teams import counters
from supervisor import Supervisor

pytestmark = pytest.mark.asyncio


async def test_they_count_until_there_are_ten_messages() -> None:
    """The team says ten messages; a time limit of its own keeps what was said, for the report."""
    async with Supervisor(signals={}) as sup:
        try:
            result = await sup.stream(counters(pause=0.1), "Count from 1 to 20", timeout=30)
            assert (result.stop_reason or "").startswith("Maximum number of messages 10 reached")
            assert len(result.messages) == 10
        finally:
            print("The team has ended.")
