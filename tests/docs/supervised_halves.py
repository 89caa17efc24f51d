"""Runs the supervised half of each example of `examples/issues`, one after the other.

python -m tests.docs.supervised_halves NUMBER…    prints an object: the outcome by the number

In a process of its own, for some of them get signals, and one leaves a thread that never ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import json
import os
import sys


def outcome(number: str) -> str:
    """Return what the example says of its supervised half."""
    module = importlib.import_module(f"examples.issues.issue_{number}")
    with contextlib.redirect_stdout(io.StringIO()):  # some tell more while they run
        said = asyncio.run(module.supervised())
    assert isinstance(said, str)
    return said


if __name__ == "__main__":
    print(json.dumps({number: outcome(number) for number in sys.argv[1:]}), flush=True)
    os._exit(0)
