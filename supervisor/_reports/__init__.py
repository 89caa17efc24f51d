"""What is told: structlog events and lines on stderr; stacks of what is at work."""

from __future__ import annotations
