"""Few cases that cover all pairs of values of some settings."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence

Case = dict[str, str]
_Pair = tuple[tuple[str, str], tuple[str, str]]

_TRIES = 20  # more of them find little


def grid(settings: Mapping[str, Sequence[str]]) -> list[Case]:
    """Return all cases."""
    return [dict(zip(settings, values, strict=True)) for values in _product(settings)]


def all_pairs(settings: Mapping[str, Sequence[str]], seed: int) -> list[Case]:
    """Return cases in which each value of a setting meets each value of every other setting."""
    chance = random.Random(seed)
    missing = {pair for case in grid(settings) for pair in _pairs(case)}
    cases: list[Case] = []
    while missing:
        must = dict(chance.choice(sorted(missing)))
        tries = [_random_case(settings, chance) | must for _ in range(_TRIES)]
        best = max(tries, key=lambda case: len(missing & _pairs(case)))
        missing -= _pairs(best)
        cases.append(best)
    return cases


def _product(settings: Mapping[str, Sequence[str]]) -> itertools.product[tuple[str, ...]]:
    return itertools.product(*settings.values())


def _pairs(case: Case) -> set[_Pair]:
    return set(itertools.combinations(sorted(case.items()), 2))


def _random_case(settings: Mapping[str, Sequence[str]], chance: random.Random) -> Case:
    return {name: chance.choice(values) for name, values in settings.items()}
