"""Values that somebody may give: of any type, at the edges of each, and texts that are awkward."""

from __future__ import annotations

import math
import string
from typing import Any, Final

from hypothesis import strategies as st

AWKWARD: Final = (
    "", " ", ".", "..", "~", "~nobody-here/x", "/", "//", "-", "--", "\n", "\t", "\0", "a\0b",
    "\x1b[2J", "\u202e", "\ud800", "\udcff", "é", "x" * 300, "x" * 5000, "/dev/null", "%s", "{}",
    "{0.__class__}", "$HOME", "'", '"', "\\", "*", "inf", "nan", "-1", "1e999", "9" * 400, "\u0661",
)  # fmt: skip

TEXTS: Final = (
    st.sampled_from(AWKWARD) | st.text(max_size=12) | st.text(string.printable, max_size=12)
)
NUMBERS: Final = (
    st.integers(-3, 300)
    | st.sampled_from([2**31, 2**63, 2**64, 10**400, -(10**400)])
    | st.floats()
    | st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, 1e-320, 1e308])
)
ATOMS: Final = st.none() | st.booleans() | NUMBERS | TEXTS
JSON: Final[st.SearchStrategy[Any]] = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
ANYTHING: Final[st.SearchStrategy[Any]] = (
    JSON
    | st.binary(max_size=8)
    | st.complex_numbers()
    | st.sampled_from([object(), object, len, ...])
)
