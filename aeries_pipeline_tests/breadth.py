"""How often the long tests repeat what chance decides: less in CI than by hand.

Nothing but the numbers belongs here. ``make test-wide`` takes the larger ones.
"""

from __future__ import annotations

import os

WIDE = os.environ.get("TESTS_WIDE", "") not in {"", "0"}


def many(usual: int, wide: int) -> int:
    """Return how many examples, nights or kills a test lives through."""
    return wide if WIDE else usual
