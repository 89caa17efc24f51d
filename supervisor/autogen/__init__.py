"""The hands on AutoGen: the only part that imports it."""

from __future__ import annotations
