"""Workers that carry kept runs on."""

from __future__ import annotations
