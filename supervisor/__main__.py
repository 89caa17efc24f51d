"""`python -m supervisor`: the command line."""

from __future__ import annotations

import sys

from supervisor._cli.exec import main

if __name__ == "__main__":
    main(sys.argv[1:])
