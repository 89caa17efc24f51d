"""What a process has one of, or starts: children, threads, its exit, its stdin, PID 1."""

from __future__ import annotations
