"""What has effects is recorded before it begins; what was recorded, when a run goes on."""

from __future__ import annotations
