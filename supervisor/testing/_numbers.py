"""Numbers that the helpers for tests take, checked where they are given."""

from __future__ import annotations

import math
from typing import Any


def check_steps(name: str, value: Any, *, or_else: str = "") -> int:
    """Return a number of steps of the loop, or the like.

    Args:
        name: The parameter's name.
        value: Its value.
        or_else: What to do instead, where somebody means something else.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is negative.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        instead = f"; {or_else}" if or_else else ""
        raise TypeError(f"{name} is a whole number, not {value!r}{instead}")
    if value < 0:
        raise ValueError(f"{name} cannot be negative, as {value} is")
    return value


def check_seconds(name: str, value: Any) -> float:
    """Return a number of seconds.

    Raises:
        TypeError: It is no number.
        ValueError: It is negative or not finite.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} is a number of seconds, not {value!r}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} cannot be {value}; give a finite number from 0 on")
    return value
