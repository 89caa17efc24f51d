"""The seeds of random samples: drawn once for a whole test run, and printed where a sample fails.

Drawn in the process that starts the workers, and handed to them by the environment: each worker
must collect the same samples. A variable that is set already repeats a sample.
"""

from __future__ import annotations

import os
import random
from typing import Final, Literal, get_args

Name = Literal["CHAOS_SEED", "CHECKPOINTS_SEED", "GRID_SEED", "MOMENTS_SEED", "SOAK_SEED"]
_NAMES: Final[tuple[Name, ...]] = get_args(Name)


def draw_seeds() -> None:
    """Draw each seed that the environment does not give; before tests are collected."""
    for name in _NAMES:
        os.environ.setdefault(name, str(random.randrange(1_000_000)))


def seed(name: Name) -> int:
    """Return the seed of one sample."""
    return int(os.environ[name])
