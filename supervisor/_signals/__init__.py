"""Signals and time: handlers, the wakeup fd, the watchdog, the guard process."""

from __future__ import annotations
