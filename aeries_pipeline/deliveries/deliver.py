"""A delivery from beginning to end: what is to be sent, tried until it is there, and recorded.

The warehouse is never locked while waiting for a server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import datetime

from filelock import FileLock, Timeout

from aeries_pipeline.deliveries.decide import arrivals, decide, due_at, next_pause
from aeries_pipeline.deliveries.ledger import Entry, Ledger
from aeries_pipeline.deliveries.parcels import REQUESTS, XELLO, Parcel
from aeries_pipeline.deliveries.place import forget_replaced, put_in_place, undo
from aeries_pipeline.deliveries.remote import Remote, RemoteError
from aeries_pipeline.deliveries.sharing import why_not_sent
from aeries_pipeline.deliveries.way import connect
from aeries_pipeline.districts.delivery import DeliverySettings
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.outcomes import new_id, now

_LONGEST_DELIVERY = 600.0
"""Seconds that nobody's files take, retries apart."""

_CALLED = {XELLO: "the files for Xello", REQUESTS: "the files of course requests"}


class NotDeliveredError(RuntimeError):
    """A set did not arrive; the message is for people, and nothing of the set is in its place.

    Attributes:
        code: Stable name of the cause.
    """

    def __init__(self, code: str, message: str) -> None:
        """Make an error with a stable code and a sentence for people."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery.

    Attributes:
        parcel: The set.
        target: Where it went, without a secret.
        is_new: Whether anything was sent.
        reason: Why, in a few words.
        arrived_at: When its last file was in its place, UTC without a zone.
        attempts: How often it was tried.
        delivery_id: Its row in the ledger.
    """

    parcel: Parcel
    target: str
    is_new: bool
    reason: str
    arrived_at: datetime | None = None
    attempts: int = 0
    delivery_id: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """What is sent to whom, and who wants it.

    Attributes:
        warehouse: Where the ledger is.
        district: The roster's entry.
        target: The receiver.
        parcel: The set.
        asked_by: Who wants a set that has arrived to be sent again.
        run_id: The Dagster run.
        sleep: Waits some seconds; tests do not.
    """

    warehouse: Warehouse
    district: District
    target: DeliverySettings
    parcel: Parcel
    asked_by: str | None = None
    run_id: str | None = None
    sleep: Callable[[float], None] = time.sleep

    @property
    def due(self) -> datetime | None:
        """Until when the set has to be there; course requests wait for no clock."""
        if self.target.deadline is None or self.parcel.kind != XELLO:
            return None
        return due_at(self.parcel.made_at, self.target.deadline, self.district.zone)


def look(job: Job) -> Outcome:
    """Say what would be sent, and prove the way there without writing anything.

    Raises:
        NotDeliveredError: If the receiver cannot be reached as the roster says, or the set has
            students who are not shared.
    """
    ledger = Ledger(job.warehouse, job.district.id, job.parcel.kind)
    found = _standing(job, ledger)
    _check_sharing(job)
    try:
        with closing(connect(job.district, job.target)) as remote:
            remote.look()
    except RemoteError as error:
        raise _refusal(job, error) from None
    return found


def send(job: Job) -> Outcome:
    """Deliver a set, unless it has arrived already.

    Raises:
        NotDeliveredError: If it did not arrive within the span of the roster.
        WarehouseBusyError: If the ledger cannot be written.
        WarehouseUnusableError: The same.
    """
    # Who waits here finds that the set has arrived, and has nothing to do.
    patience = job.target.retry_for + _LONGEST_DELIVERY
    lock = FileLock(job.parcel.folder.parent / ".sending.lock", timeout=patience)
    try:
        with lock:
            ledger = Ledger(job.warehouse, job.district.id, job.parcel.kind)
            found = _standing(job, ledger)
            if found.is_new:
                _check_sharing(job)
                return _Delivery(job, ledger).carry_out(found)
            return found
    except Timeout:
        raise NotDeliveredError(
            "busy",
            f"{job.district.id}: another process is busy with {_CALLED[job.parcel.kind]} for more "
            f"than {patience / 60:.0f} minutes; see whether it still runs, then deliver again",
        ) from None


def _check_sharing(job: Job) -> None:
    why = why_not_sent(job.warehouse, job.district, job.parcel)
    if why:
        raise NotDeliveredError(
            "not_shared",
            f"{job.district.id}: {_CALLED[job.parcel.kind]} of {job.parcel.name} were not "
            f"delivered, because {why}; then have the files made again with aeries-pipeline sync "
            f"{job.district.id}",
        )


def _standing(job: Job, ledger: Ledger) -> Outcome:
    """Return how a set stands before anything is done."""
    target = str(job.target)
    sent = ledger.sent()
    decision = decide(job.parcel.name, target, sent, again=job.asked_by is not None)
    last = max(arrivals(job.parcel.name, target, sent), default=None)
    return Outcome(job.parcel, target, decision.sends, decision.reason, last)


def _refusal(job: Job, error: RemoteError, tried: str = "") -> NotDeliveredError:
    return NotDeliveredError(
        error.code,
        f"{job.district.id}: {_CALLED[job.parcel.kind]} of {job.parcel.name} were not delivered to "
        f"{job.target}{tried}, because {error}; {error.remedy}",
    )


class _Delivery:
    """One delivery that is under way."""

    def __init__(self, job: Job, ledger: Ledger) -> None:
        self._job = job
        self._ledger = ledger
        self._id = new_id(now())
        self._present: list[str] | None = None

    def carry_out(self, found: Outcome) -> Outcome:
        self._begin()
        began, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            try:
                arrived = self._attempt()
            except RemoteError as error:
                span = self._job.target.retry_for if error.transient else -1.0
                pause = next_pause(attempt, time.monotonic() - began, span)
                if pause is None:
                    raise self._failed(error, attempt) from None
                self._job.sleep(pause)
            else:
                self._ledger.note(self._id, attempts=attempt)
                return replace(found, arrived_at=arrived, attempts=attempt, delivery_id=self._id)

    def _begin(self) -> None:
        job = self._job
        self._ledger.begin(
            Entry(
                delivery_id=self._id,
                district=job.district.id,
                kind=job.parcel.kind,
                set_name=job.parcel.name,
                target=str(job.target),
                files=[
                    {
                        "name": one.name,
                        "bytes": one.bytes,
                        "rows": job.parcel.rows.get(one.name),
                        "sha256": one.sha256,
                    }
                    for one in job.parcel.items
                ],
                made_at=job.parcel.made_at,
                due_at=job.due,
                compared=job.target.compare,
                asked_by=job.asked_by,
                run_id=job.run_id,
            )
        )

    def _attempt(self) -> datetime:
        """Try once, from connecting to the last rename."""
        job = self._job
        with closing(connect(job.district, job.target)) as remote:
            self._clear_up(remote)
            put_in_place(
                remote,
                job.parcel.items,
                self._id,
                reads_back=job.target.compare == "checksum",
                before_renaming=self._about_to_rename,
            )
            arrived = now()
            self._ledger.note(self._id, outcome="placed", ended_at=arrived)
            # The set is there. What it replaced may not be ours to remove: the next delivery tries.
            with suppress(RemoteError):
                forget_replaced(remote, self._names, self._id)
                self._ledger.note(self._id, outcome="arrived")
        return arrived

    @property
    def _names(self) -> Sequence[str]:
        return [one.name for one in self._job.parcel.items]

    def _about_to_rename(self, present: list[str]) -> None:
        self._present = present
        self._ledger.note(self._id, present=present)

    def _clear_up(self, remote: Remote) -> None:
        """Undo what this delivery's last attempt, or one that was killed, has left."""
        for one in self._ledger.unfinished(str(self._job.target)):
            if one.outcome == "placed":
                with suppress(RemoteError):
                    forget_replaced(remote, one.names, one.delivery_id)
                    self._ledger.note(one.delivery_id, outcome="arrived")
                continue
            undo(remote, one.names, one.delivery_id, one.present)
            if one.delivery_id == self._id:
                self._ledger.note(self._id, present=None)
            else:
                self._ledger.note(one.delivery_id, outcome="undone")

    def _failed(self, error: RemoteError, attempts: int) -> NotDeliveredError:
        """Undo what is left of it, note it, and return what to tell."""
        tried = f" in {attempts} attempts" if attempts > 1 else ""
        refusal = _refusal(self._job, error, tried)
        outcome = "failed"
        try:
            with closing(connect(self._job.district, self._job.target)) as remote:
                self._clear_up(remote)
        except RemoteError:
            outcome = "broken_off"
        self._ledger.note(
            self._id, outcome=outcome, code=error.code, reason=str(refusal), attempts=attempts,
            ended_at=now(),
        )  # fmt: skip
        return refusal
