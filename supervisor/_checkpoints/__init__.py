"""Runs that are kept: stores, leases, and what is written of a run that this process owns."""

from __future__ import annotations
