"""What is reported: structlog events and lines on stderr; the stacks of what is at work."""

from __future__ import annotations
