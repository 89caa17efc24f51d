"""How a worker works."""

from __future__ import annotations

import math

from supervisor.integrations._fleet.plan import Plan


def test_pauses_are_doubled_up_to_the_longest() -> None:
    """Also after as many errors as no number of seconds could tell."""
    plan = Plan(concurrency=1, attempts=5, first_pause=1, longest_pause=300)
    assert [plan.pause(failures) for failures in (1, 2, 3, 9)] == [1, 2, 4, 256]
    assert plan.pause(10) == plan.pause(10**6) == 300


def test_no_pause_is_too_long_for_a_database() -> None:
    """`--backoff off` means never, and a queue has to be told a time."""
    plan = Plan(concurrency=1, attempts=5, first_pause=math.inf, longest_pause=math.inf)
    assert plan.pause(1) == 365 * 86_400


def test_no_pause_stays_none() -> None:
    """A backoff of 0 tries again at once."""
    assert Plan(concurrency=1, attempts=5, first_pause=0, longest_pause=0).pause(3) == 0
