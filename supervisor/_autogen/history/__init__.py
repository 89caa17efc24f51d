"""What a run's teams have said, and how it is made consistent after a stop."""

from __future__ import annotations
