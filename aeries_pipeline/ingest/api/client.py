"""One district's Aeries server over HTTP.

``AeriesClient.get`` sends one polite request, retries if that can help, and
returns the bytes as received together with the rows. Paging over many requests
is in ``paging``, the connection itself in ``transport``. What a permission error
means is decided here, because only here can the certificate be tested on an
open endpoint.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aeries_pipeline.districts.errors import (
    AeriesError,
    ConfigurationError,
    PermanentError,
    PermissionMissingError,
    TransientError,
)
from aeries_pipeline.districts.secret import Certificate
from aeries_pipeline.districts.urls import api_base, host_of, is_loopback
from aeries_pipeline.ingest.api.answer import Answer, Reading, Seen, digest_of
from aeries_pipeline.ingest.api.answers import BOM, Row, error_of
from aeries_pipeline.ingest.api.elements import NOTHING, Wanted, elements_of
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
        apart: bool = False,
    ) -> Answer:
        """Return one answer, after retries where they help.

        Args:
            path: Path below ``/api/v5``.
            params: Query parameters, without the certificate.
            what: What is asked for, in words for messages.
            tally: Counts requests, retries and bytes.
            expected: The page that was believed last time; the same bytes are not parsed again.
            wanted: What to keep of each element, where the answer is a list.
            apart: Whether a list is read where some of its elements cannot be, without them.

        Raises:
            AeriesError: Of the type that says what can be done about it.
        """
        tally = tally if tally is not None else Tally()
        what = what or path
        is_asking = path.lower() == SYSTEM_INFO
        if not is_asking:
            self._make_sure(tally)
        reading = Reading(expected, wanted, apart)
        answer = self._patiently(path, params or {}, what, tally, reading)
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
        reading: Reading,
    ) -> Answer:
        started = time.monotonic()
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self._once(path, params, what, tally, reading)
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
        reading: Reading | None = None,
    ) -> Answer:
        status, headers, body = self._sent(path, params, what, tally)
        if status not in {200, NOTHING_THERE}:
            asked = retry_after_seconds(headers.get("Retry-After"), datetime.now(UTC))
            raise error_of(status, headers, body, what, retry_after=asked)
        body = body.removeprefix(BOM)
        if status == NOTHING_THERE or body.strip() == b"null":
            body = NO_ROWS
        reading = reading or Reading()
        digest, wanted = digest_of(body), reading.wanted
        if reading.expected is not None and digest == reading.expected.digest:
            return Answer(
                body, seen=reading.expected, wanted=wanted, is_known=True, apart=reading.apart
            )
        elements = elements_of(body, wanted)
        if elements is not None:
            seen = Seen(digest, len(elements))
            return Answer(body, seen=seen, wanted=wanted, elements=elements)
        answer = Answer(body, seen=Seen(digest, 0), wanted=wanted, apart=reading.apart)
        answer.read(headers.get("Content-Type", ""), what)
        answer.seen = Seen(digest, len(answer.rows) + len(answer.unreadable))
        return answer
