"""When to retry a request, and how long to wait first.

Pure functions. The loop that uses them is in ``client``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient the client is with one request.

    Attributes:
        attempts: Requests at most, the first included.
        base_seconds: Upper bound of the first wait; doubled each time.
        cap_seconds: Upper bound of any wait that the server did not ask for.
        deadline_seconds: Time from the first attempt to the end of the last.
    """

    attempts: int = 5
    base_seconds: float = 0.5
    cap_seconds: float = 60.0
    deadline_seconds: float = 300.0


TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 509, 520, 522, 524})
_LONGEST = 366 * 86_400.0


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Read a Retry-After header, as seconds or as an HTTP date.

    Args:
        header: Value of the header, None if there was none.
        now: The present, aware of its zone.

    Returns:
        Seconds to wait, never negative; None if nothing usable was said.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:20]), _LONGEST)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return min(max(0.0, (moment - now).total_seconds()), _LONGEST)
    except (TypeError, ValueError, OverflowError, IndexError, AttributeError):
        return None


def wait_seconds(
    policy: RetryPolicy, *, attempt: int, asked: float | None, elapsed: float, jitter: float
) -> float | None:
    """Return the wait before the next attempt, or None to give up.

    Args:
        policy: The bounds.
        attempt: Number of the attempt that just failed, from 1.
        asked: What Retry-After asked for, in seconds.
        elapsed: Seconds since the first attempt began.
        jitter: A number from 0 to 1 that spreads the clients.
    """
    if attempt >= policy.attempts:
        return None
    bound = min(policy.cap_seconds, policy.base_seconds * 2.0 ** (attempt - 1))
    # A server that names a time is obeyed, plus a little so that many clients
    # of one server do not come back at the same instant.
    wait = asked + jitter * policy.base_seconds if asked is not None else bound * jitter
    return wait if elapsed + wait < policy.deadline_seconds else None


def random_jitter() -> float:
    """Return a fresh jitter from 0 to 1."""
    return random.random()  # noqa: S311 - spreads load, guards nothing
