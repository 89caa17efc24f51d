"""Where a run of AutoGen's stands, as data; and the way back from there in another process."""

from __future__ import annotations
