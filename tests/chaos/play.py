"""Runs one program of the chaos matrix, which reports its facts on stdout.

`python -m tests.chaos.play HOST STATE LOOP`
"""

from __future__ import annotations

import os
import sys

from tests.chaos.hosts import HOSTS
from tests.chaos.states import STATES
from tests.process.server import FACTS_FD

if __name__ == "__main__":
    os.dup2(1, FACTS_FD, inheritable=False)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    host, state, loop = sys.argv[1:]
    _, run = HOSTS[host]
    run(STATES[state], loop)
