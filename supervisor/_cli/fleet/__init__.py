"""The commands of a fleet: workers that carry kept runs on, and what gives them runs."""

from __future__ import annotations
