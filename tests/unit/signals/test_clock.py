"""The clock that can be paused, on seconds that a test lets pass."""

from __future__ import annotations

from supervisor._signals.clock import Clock


class World:
    """Time, and a debugger that is there or not."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.is_debugged = False
        self.clock = Clock(lambda: self.is_debugged, lambda: self.seconds)


def test_it_goes_with_the_time() -> None:
    """Without a debugger the clock shows the monotonic time."""
    world = World()
    assert not world.clock.check(is_watched=True)
    world.seconds = 107.0
    assert (world.clock.now(), world.clock.paused_seconds) == (107.0, 0.0)


def test_it_is_paused_while_a_debugger_is_at_work() -> None:
    """The clock is paused while a debugger is at work, and goes on from there."""
    world = World()
    world.is_debugged = True
    assert world.clock.check(is_watched=False)
    world.seconds = 160.0
    assert _seen(world) == (True, 100.0, 60.0)
    world.is_debugged = False
    assert world.clock.check(is_watched=True)
    world.seconds = 161.0
    assert _seen(world) == (False, 101.0, 60.0)


def _seen(world: World) -> tuple[bool, float, float]:
    return world.clock.is_paused, world.clock.now(), world.clock.paused_seconds


def test_the_time_since_the_last_check_does_not_count() -> None:
    """The time since the last check does not count: the process may have stood in the debugger."""
    world = World()
    world.clock.check(is_watched=True)
    world.seconds, world.is_debugged = 160.0, True
    world.clock.check(is_watched=True)
    assert world.clock.now() == 100.0


def test_the_time_since_a_check_long_ago_counts() -> None:
    """Where the checks were not frequent, the time since the last one counts."""
    world = World()
    world.clock.check(is_watched=False)
    world.seconds, world.is_debugged = 160.0, True
    world.clock.check(is_watched=False)
    assert world.clock.now() == 160.0


def test_an_earlier_moment_has_the_time_of_then() -> None:
    """A moment before or during a pause has the time that the clock showed then."""
    world = World()
    world.clock.check(is_watched=True)
    world.seconds, world.is_debugged = 101.0, True
    world.clock.check(is_watched=False)
    world.seconds = 110.0
    assert (world.clock.at(100.5), world.clock.at(105.0)) == (100.5, 101.0)


def test_checks_do_not_wait_for_each_other() -> None:
    """A check from within another one does nothing."""
    seen = list[bool]()

    def checks_too() -> bool:
        seen.append(clock.check(is_watched=True))
        return True

    clock = Clock(checks_too)
    assert clock.check(is_watched=True)
    assert seen == [False]
