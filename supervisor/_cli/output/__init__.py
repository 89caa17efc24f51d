"""What the command line shows of a run, and in which format."""

from __future__ import annotations
