"""`python -m supervisor`: the command line."""

from __future__ import annotations

from supervisor._cli.main import main

if __name__ == "__main__":
    main()
