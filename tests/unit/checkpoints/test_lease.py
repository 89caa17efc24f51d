"""A lease, by this process's own clock."""

from __future__ import annotations

import pytest

from supervisor._checkpoints.lease import Lease


def lease_at(now: float, *, margin: float = 3.0) -> Lease:
    """Return a lease of ten seconds that was asked for at 0, at this time."""
    return Lease(10.0, margin, 0.0, clock=lambda: now)


@pytest.mark.parametrize(("now", "is_over"), [(9.99, False), (10.0, True), (10.01, True)])
def test_it_is_over_from_its_last_moment_on(now: float, is_over: bool) -> None:
    """In the moment in which the store gives the run to another one it is over here, too."""
    assert lease_at(now).is_over is is_over


@pytest.mark.parametrize(("now", "is_ending"), [(6.99, False), (7.0, True), (10.0, True)])
def test_it_is_ending_before_by_the_time_that_a_stop_takes(now: float, is_ending: bool) -> None:
    """The run is told to stop while there is just the time for it."""
    assert lease_at(now).is_ending is is_ending


@pytest.mark.parametrize(("now", "is_ending"), [(4.99, False), (5.0, True)])
def test_a_stop_that_takes_longer_than_a_lease_has_half_of_it(now: float, is_ending: bool) -> None:
    """Else it would be ending as soon as it has begun."""
    assert lease_at(now, margin=100.0).is_ending is is_ending
    assert lease_at(now, margin=100.0).patience == 5.0
