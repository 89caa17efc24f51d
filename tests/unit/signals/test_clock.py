"""The clock that can stand still, on seconds that a test lets pass."""

from __future__ import annotations

from supervisor._signals.clock import Clock


class World:
    """Time, and a debugger that is there or not."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.is_debugged = False
        self.clock = Clock(lambda: self.is_debugged, lambda: self.seconds)


def test_it_goes_with_the_time() -> None:
    """Where no debugger is at work."""
    world = World()
    assert not world.clock.check(is_watched=True)
    world.seconds = 107.0
    assert (world.clock.now(), world.clock.paused_seconds) == (107.0, 0.0)


def test_it_stands_while_a_debugger_is_at_work() -> None:
    """And goes on from there."""
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


def test_what_has_passed_since_the_last_look_does_not_count() -> None:
    """The process may have stood in the debugger, and could not look."""
    world = World()
    world.clock.check(is_watched=True)
    world.seconds, world.is_debugged = 160.0, True
    world.clock.check(is_watched=True)
    assert world.clock.now() == 100.0


def test_a_look_long_ago_says_nothing() -> None:
    """Nobody has watched since."""
    world = World()
    world.clock.check(is_watched=False)
    world.seconds, world.is_debugged = 160.0, True
    world.clock.check(is_watched=False)
    assert world.clock.now() == 160.0


def test_an_earlier_moment_has_the_time_that_it_was_then() -> None:
    """A signal that came before the clock stood, or while it did."""
    world = World()
    world.clock.check(is_watched=True)
    world.seconds, world.is_debugged = 101.0, True
    world.clock.check(is_watched=False)
    world.seconds = 110.0
    assert (world.clock.at(100.5), world.clock.at(105.0)) == (100.5, 101.0)


def test_looks_do_not_wait_for_each_other() -> None:
    """One from within another does nothing."""
    seen = list[bool]()

    def looks_too() -> bool:
        seen.append(clock.check(is_watched=True))
        return True

    clock = Clock(looks_too)
    assert clock.check(is_watched=True)
    assert seen == [False]
