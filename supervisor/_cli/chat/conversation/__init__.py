"""A conversation with a team or an agent, without a terminal."""

from __future__ import annotations
