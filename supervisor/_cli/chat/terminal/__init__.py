"""The terminal of a chat, which knows no team."""

from __future__ import annotations
