"""One district's Aeries server over HTTP.

``AeriesClient.get`` sends one polite request, tries again where that helps
and returns the bytes as received together with the rows. Paging over many
requests is in ``paging``, the connection itself in ``transport``; what a
permission error means is decided here, because only here can the certificate
be tested on an open end point.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aeries_pipeline.districts.errors import (
    AeriesError,
    ConfigurationError,
    PermanentError,
    PermissionMissingError,
    TransientError,
)
from aeries_pipeline.districts.secret import Certificate
from aeries_pipeline.districts.urls import api_base, host_of, is_loopback
from aeries_pipeline.ingest.api.answers import BOM, Row, error_of, rows_of
from aeries_pipeline.ingest.api.elements import ABSENT, NOTHING, Elements, Wanted, elements_of
from aeries_pipeline.ingest.api.limits import Politeness
from aeries_pipeline.ingest.api.retry import (
    RetryPolicy,
    random_jitter,
    retry_after_seconds,
    wait_seconds,
)
from aeries_pipeline.ingest.api.transport import Timeouts, Transport

SYSTEM_INFO = "systeminfo"
NOTHING_THERE = 204
NO_ROWS = b"[]"
"""Taken in place of an answer that says "none" in another way, so that one rule judges all."""


@dataclass(slots=True)
class Tally:
    """What a series of requests cost; one thread writes, anyone may read."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0
    pages: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A page of an earlier answer: what its bytes were and what they held.

    Attributes:
        digest: SHA-256 of the bytes, in hexadecimal.
        records: Its elements.
    """

    digest: str
    records: int

    def __str__(self) -> str:
        """Return both as one text, as the ledger keeps them."""
        return f"{self.digest}:{self.records}"

    @classmethod
    def from_text(cls, text: str) -> Seen:
        """Return what :meth:`__str__` wrote."""
        digest, records = text.split(":")
        return cls(digest, int(records))


class Answer:
    """A usable answer. What is not known of its elements yet is read when first asked for.

    Args:
        body: The bytes as received, after content decoding and without a byte-order mark,
            which DuckDB would stumble over.
        rows: The elements, where they were parsed already.
        seen: Digest and number of elements.
        wanted: What to keep of each element.
        elements: What was kept.
        is_known: Whether the bytes are those of a page that was believed before.
    """

    def __init__(
        self,
        body: bytes,
        rows: list[Row] | None = None,
        seen: Seen | None = None,
        *,
        wanted: Wanted = NOTHING,
        elements: Elements | None = None,
        is_known: bool = False,
    ) -> None:
        """Keep what is known."""
        self.body = body
        self.is_known = is_known
        self._rows = rows
        self._wanted = wanted
        self._elements = elements
        self.seen = seen or Seen(digest_of(body), len(self.rows))

    @property
    def elements(self) -> Elements | None:
        """What was wanted of each element; None where the body is not a list of objects."""
        if self._elements is None:
            self._elements = elements_of(self.body, self._wanted)
        return self._elements

    @property
    def rows(self) -> list[Row]:
        """The elements; a single object is a list of one. Parsed when first asked for."""
        if self._rows is None:
            self._rows = rows_of(self.body, "", "an answer that was read before")
        return self._rows

    def keys(self, names: Sequence[str]) -> set[tuple[Any, ...]]:
        """Return what tells the elements apart.

        Args:
            names: The properties that do; all of them where there are none.
        """
        kept = self.elements if self._rows is None else None
        if kept is not None and names and set(names) <= set(kept.wanted.names):
            columns = [map(_plain, kept.column(name)) for name in names]
            return set(zip(*columns, strict=True))
        return {_key(row, names) for row in self.rows}


def _key(row: Row, names: Sequence[str]) -> tuple[Any, ...]:
    if not names:
        return tuple(sorted((name, str(value)) for name, value in row.items()))
    return tuple(_plain(row.get(name)) for name in names)


def _plain(value: Any) -> Any:  # noqa: ANN401 - a JSON value is any of these
    if value is ABSENT:
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def digest_of(body: bytes) -> str:
    """Return the SHA-256 of an answer, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def is_system_info(rows: Sequence[Row]) -> bool:
    """Tell whether an answer to ``systeminfo`` is that of an Aeries.

    One object with a version and a school year as Aeries writes them; a page,
    an error's message or any other JSON is not.
    """
    if len(rows) != 1:
        return False
    version, year = rows[0].get("AeriesVersion"), rows[0].get("DatabaseYear")
    return (
        isinstance(version, str)
        and bool(version.strip())
        and re.fullmatch(r"\d{4}-\d{4}", str(year)) is not None
    )


def _no_gate() -> None:
    """Let every request through."""


class AeriesClient:
    """Speaks to the Aeries site of one district.

    Safe to share between threads: each has its own session.

    Args:
        url: Address of any page of the site.
        certificate: Sent in the ``AERIES-CERT`` header, once an Aeries has answered at
            the base, and nowhere else.
        concurrent: Requests under way at most.
        per_second: Requests started in a second at most; 0 for no bound.
        retry: How patient to be.
        timeouts: How long one attempt may take.
        gate: Called before each attempt; raises to stop the pull.
        ca_file: Certificate authorities of the district's own, in place of the usual ones.
        sleep: Waits a number of seconds; tests replace it.
    """

    def __init__(  # noqa: PLR0913 - all by keyword, all with a default
        self,
        url: str,
        certificate: Certificate,
        *,
        concurrent: int = 4,
        per_second: float = 0.0,
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        gate: Callable[[], None] = _no_gate,
        ca_file: Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare; nothing is sent yet.

        Raises:
            ConfigurationError: If the url is not an address.
        """
        self.base = api_base(url)
        self._certificate = certificate
        self.concurrent = concurrent
        self._politeness = Politeness(concurrent, per_second, sleep=sleep)
        self._retry = retry or RetryPolicy()
        self._timeouts = timeouts or Timeouts()
        self._gate = gate
        self._ca_file = ca_file
        self._is_aeries = False
        self._is_aeries_lock = threading.Lock()
        self._sleep = sleep
        self._local = threading.local()
        self._transports: list[Transport] = []
        self._transports_lock = threading.Lock()
        self._certificate_lock = threading.Lock()
        self._certificate_is_good: bool | None = None

    def __repr__(self) -> str:
        return f"AeriesClient({host_of(self.base)}, {self._certificate!r})"

    def __enter__(self) -> AeriesClient:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._transports_lock:
            for transport in self._transports:
                transport.close()
            self._transports.clear()

    def get(
        self,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        what: str = "",
        tally: Tally | None = None,
        expected: Seen | None = None,
        wanted: Wanted = NOTHING,
    ) -> Answer:
        """Return one answer, after retries where they help.

        Args:
            path: Path below ``/api/v5``.
            params: Query parameters, without the certificate.
            what: What is asked for, in words for messages.
            tally: Counts requests, retries and bytes.
            expected: The page that was believed last time; the same bytes are not parsed again.
            wanted: What to keep of each element, where the answer is a list.

        Raises:
            AeriesError: Of the type that says what can be done about it.
        """
        tally = tally if tally is not None else Tally()
        what = what or path
        is_asking = path.lower() == SYSTEM_INFO
        if not is_asking:
            self._make_sure(tally)
        answer = self._patiently(path, params or {}, what, tally, expected, wanted)
        if is_asking and is_system_info(answer.rows):
            self._is_aeries = True
        return answer

    def _make_sure(self, tally: Tally) -> None:
        """Let no certificate out before an Aeries has answered at this base.

        Raises:
            AeriesError: If none has.
        """
        with self._is_aeries_lock:
            if not self._is_aeries:
                self.get(SYSTEM_INFO, what="system information", tally=tally)
        if not self._is_aeries:
            raise PermanentError(
                "not_aeries",
                f"{host_of(self.base)} does not say that it is an Aeries, so the certificate is "
                "not sent there; check the url of the district in the roster",
            )
        if self.base.startswith("http:") and not is_loopback(self.base):
            raise ConfigurationError(
                "plain_http",
                f"{host_of(self.base)}: the certificate is not sent over plain http, where others "
                "could read it; put the https address of the site in the roster",
            )

    def _patiently(
        self,
        path: str,
        params: Mapping[str, str | int],
        what: str,
        tally: Tally,
        expected: Seen | None,
        wanted: Wanted,
    ) -> Answer:
        started = time.monotonic()
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self._once(path, params, what, tally, expected, wanted)
            except TransientError as error:
                wait = wait_seconds(
                    self._retry,
                    attempt=attempt,
                    asked=error.retry_after,
                    elapsed=time.monotonic() - started,
                    jitter=random_jitter(),
                )
                if wait is None:
                    raise self._given_up(error, attempt) from None
                tally.retries += 1
                self._sleep(wait)
            except PermissionMissingError as error:
                if not self._is_aeries:
                    raise self._unknown(what) from None
                raise self._explain(error, what, tally) from None
            else:
                return answer

    def _unknown(self, what: str) -> AeriesError:
        return ConfigurationError(
            "not_aeries",
            f"{what}: {host_of(self.base)} refuses to say that it is an Aeries (systeminfo needs "
            "no certificate there), so the certificate is not sent; check the url in the roster, "
            "and ask the district to leave systeminfo open",
        )

    def _given_up(self, error: TransientError, attempts: int) -> TransientError:
        message = str(error)
        if attempts > 1:
            message += f" (tried {attempts} times)"
        if error.retry_after and error.retry_after > self._retry.deadline_seconds:
            message += f" (the server asks to wait {error.retry_after:.0f} s)"
        return TransientError(error.code, message, retry_after=error.retry_after)

    def _explain(self, error: AeriesError, what: str, tally: Tally) -> AeriesError:
        """Tell a bad certificate from a missing permission.

        The list of schools needs a valid certificate and no permission, so
        it is asked once: a refusal there means that the certificate itself
        is not accepted.
        """
        with self._certificate_lock:
            if self._certificate_is_good is None:
                try:
                    self._once("schools", {}, "the list of schools", tally)
                    self._certificate_is_good = True
                except PermissionMissingError:
                    self._certificate_is_good = False
                except AeriesError:
                    return error
        if self._certificate_is_good:
            return PermissionMissingError(
                "permission_missing", f"{what}: the certificate may not read this"
            )
        return ConfigurationError(
            "certificate_rejected",
            f"{what}: {host_of(self.base)} does not accept the certificate; compare it with the "
            "API Security page of the district (it is case-sensitive) and check that it is Active",
        )

    def _transport(self) -> Transport:
        """Return this thread's connection."""
        transport: Transport | None = getattr(self._local, "transport", None)
        if transport is None:
            transport = Transport(self.base, self._certificate, self._timeouts, self._ca_file)
            self._local.transport = transport
            with self._transports_lock:
                self._transports.append(transport)
        return transport

    def write(
        self, method: str, path: str, data: bytes, params: Mapping[str, str | int], what: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send one request that changes something, and return status, headers and body.

        It is never sent again: it may have been carried out although no answer came.
        """
        self._make_sure(Tally())
        return self._sent(path, params, what, Tally(), method, data)

    def _sent(
        self,
        path: str,
        params: Mapping[str, str | int],
        what: str,
        tally: Tally,
        method: str = "GET",
        data: bytes | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Let one request out, when the gate and the limits let it."""
        with self._politeness.turn():
            self._gate()
            tally.requests += 1
            status, headers, body = self._transport().send(
                path, params, what, with_certificate=self._is_aeries, method=method, data=data
            )
        tally.bytes += len(body)
        return status, headers, body

    def _once(
        self,
        path: str,
        params: Mapping[str, str | int],
        what: str,
        tally: Tally,
        expected: Seen | None = None,
        wanted: Wanted = NOTHING,
    ) -> Answer:
        status, headers, body = self._sent(path, params, what, tally)
        if status not in {200, NOTHING_THERE}:
            asked = retry_after_seconds(headers.get("Retry-After"), datetime.now(UTC))
            raise error_of(status, headers, body, what, retry_after=asked)
        body = body.removeprefix(BOM)
        if status == NOTHING_THERE or body.strip() == b"null":
            body = NO_ROWS
        digest = digest_of(body)
        if expected is not None and digest == expected.digest:
            return Answer(body, seen=expected, wanted=wanted, is_known=True)
        elements = elements_of(body, wanted)
        if elements is not None:
            seen = Seen(digest, len(elements))
            return Answer(body, seen=seen, wanted=wanted, elements=elements)
        rows = rows_of(body, headers.get("Content-Type", ""), what)
        return Answer(body, rows, Seen(digest, len(rows)), wanted=wanted)
