"""The state of the districts as metrics in Prometheus' text format. Counts only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from aeries_pipeline.operations.status.health import health_of
from aeries_pipeline.operations.status.read import DistrictStatus


def metrics(statuses: Sequence[DistrictStatus], moment: datetime) -> str:
    """Return the text that a scrape or node_exporter's textfile collector reads.

    Args:
        statuses: How each district stands.
        moment: When that was, aware.
    """
    registry = CollectorRegistry()

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"aeries_{name}", text, ("district", *labels), registry=registry)

    health = gauge("health_percent", "100 where everything is as it should be")
    wanted = gauge("partitions", "Partitions that are wanted and granted")
    missing = gauge("partitions_missing", "Partitions whose newest attempt did not succeed")
    early = gauge("partitions_closed_early", "Partitions for which the window closed too early")
    held = gauge("held_changes", "Account changes that wait for a person")
    accounts = gauge("active_accounts", "Accounts in use")
    tried = gauge("last_tried_timestamp_seconds", "When any pull last ended, well or not")
    complete = gauge("complete_since_timestamp_seconds", "Oldest of the newest complete pulls")
    changed = gauge("accounts_changed_last_day", "Students whose account changed", "kind")
    for one in statuses:
        health.labels(one.id).set(health_of(one).percent)
        wanted.labels(one.id).set(one.partitions)
        missing.labels(one.id).set(one.missing)
        early.labels(one.id).set(one.closed_early)
        held.labels(one.id).set(one.holds)
        accounts.labels(one.id).set(one.active_accounts)
        for gauge_of, at in ((tried, one.last_tried), (complete, one.complete_since)):
            if at is not None:
                gauge_of.labels(one.id).set(at.replace(tzinfo=UTC).timestamp())
        for kind, students in one.changed.items():
            changed.labels(one.id, kind).set(students)
    taken = Gauge("aeries_metrics_timestamp_seconds", "When this was taken", registry=registry)
    taken.set(moment.timestamp())
    return generate_latest(registry).decode()
