"""Errors of an Aeries call, sorted by what an operator can do about them.

Messages are one or two sentences: what was attempted, what came back, what to
do next. They never contain a certificate, a query string or a value from an
answer.
"""

from __future__ import annotations

NOT_FOUND = "not_found"
"""Code of an answer 404, which may also be a way to say that a list has ended."""


class AeriesError(Exception):
    """An Aeries call did not give a usable answer.

    Attributes:
        code: Stable name of the cause, for filters and tests.
        retry_after: Seconds that the server asked to wait, where it did.
    """

    def __init__(self, code: str, message: str, *, retry_after: float | None = None) -> None:
        """Make an error with a stable code and a sentence for people."""
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class ConfigurationError(AeriesError):
    """Roster, certificate or URL is wrong; trying again changes nothing."""


class PermissionMissingError(AeriesError):
    """The certificate is good, but may not read this resource."""


class PermanentError(AeriesError):
    """The server answered, and the answer will not get better by itself."""


class TransientError(AeriesError):
    """The server or the way to it failed; a later pull may well succeed."""


class StoppedError(AeriesError):
    """The pull was told to stop before this request was sent."""
