"""A certificate that cannot be printed by accident."""

from __future__ import annotations

import re


class Certificate:
    """Holds an Aeries certificate; every textual form of it is a mask.

    The value is case-sensitive. Its length is not fixed: 32 and 33 characters
    have been published.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Keep the value without the white space around it.

        Raises:
            ValueError: If it is empty or cannot stand in an HTTP header. The
                message does not repeat it.
        """
        stripped = value.strip()
        if not stripped:
            raise ValueError("the certificate is empty")
        if not re.fullmatch(r"[\x21-\x7e]+", stripped):
            raise ValueError("the certificate holds white space or characters outside ASCII")
        self._value = stripped

    def reveal(self) -> str:
        """Return the value, for the request header alone."""
        return self._value

    def __repr__(self) -> str:
        return "Certificate(***)"

    __str__ = __repr__

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a certificate is not pickled")
