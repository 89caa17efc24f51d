"""The Supervisor: what its block is, what stops together, one stop in progress."""

from __future__ import annotations
