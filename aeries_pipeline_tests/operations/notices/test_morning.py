"""The digest, the notice that nothing was tried, and the metrics: from windows and ledger alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from aeries_pipeline.districts.roster import District
from aeries_pipeline.operations.notices.morning import GRACE, digest, last_opening, untried
from aeries_pipeline.operations.status.health import health_of
from aeries_pipeline.operations.status.read import DistrictStatus, Trouble
from aeries_pipeline_tests.conftest import World, roster_entry, write_roster
from aeries_pipeline_tests.operations.notices.listeners import webhook
from aeries_pipeline_tests.processes.test_command_line import call

SUNDAY_MORNING = datetime(2026, 11, 29, 18, 0, tzinfo=UTC)
GOOD = DistrictStatus(
    id="eagle-usd", name="Eagle", complete_since=datetime(2026, 11, 28), waits_for=0, troubles=(),
    not_granted=(), holds=0, is_stale=False, window="", active_accounts=100, partitions=40,
)  # fmt: skip


def district(
    window: str = "Weekends only from 8:00 p.m. - 2:00 a.m.", **changes: object
) -> District:
    entry = roster_entry("http://127.0.0.1:9", [994], **changes)
    return District.model_validate(
        entry | {"pull_window": window, "timezone": "America/Los_Angeles"}
    )


@pytest.mark.parametrize(
    ("window", "moment", "opened"),
    [
        # In an opening, after one, between two, and in a window without an end.
        (None, "2026-11-29T05:00", "2026-11-29T04:00"),
        (None, "2026-11-29T04:10", "2026-11-23T04:00"),
        (None, "2026-12-02T12:00", "2026-11-30T04:00"),
        ("any time", "2026-11-29T18:00", "2026-11-29T08:00"),
        ("any time", "2026-11-29T08:10", "2026-11-28T08:00"),
    ],
)
def test_the_newest_opening_that_should_have_been_used(
    window: str | None, moment: str, opened: str
) -> None:
    one = district(window) if window else district()
    found = last_opening(one, datetime.fromisoformat(moment).replace(tzinfo=UTC))
    assert found is not None
    assert f"{found[0]:%Y-%m-%dT%H:%M}" == opened


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 6, 1)), st.sampled_from(
    ["Weekends only from 8:00 p.m. - 2:00 a.m.", "any time", "10pm - 4am", "Tuesday 1am to 3am"]
))  # fmt: skip
def test_an_opening_is_inside_the_window_and_old_enough(at: datetime, window: str) -> None:
    one, moment = district(window), at.replace(tzinfo=UTC)
    found = last_opening(one, moment)
    assert found is not None
    opened, closed = found
    assert one.windows.contains(opened)
    assert opened <= moment - GRACE
    assert closed is None or closed > opened
    # Whoever was tried since then is left alone; whoever was not is told of.
    assert untried(one, (opened + timedelta(seconds=1)).replace(tzinfo=None), moment) is None
    assert untried(one, (opened - timedelta(seconds=1)).replace(tzinfo=None), moment) is not None


def test_the_sentence_names_the_opening_and_what_to_look_at() -> None:
    missed = untried(district(), datetime(2026, 11, 23, 5), SUNDAY_MORNING)
    assert missed is not None
    at, line = missed
    assert at.startswith("2026-11-29T04:00")
    assert "from Sat 2026-11-28 20:00 PST to Sun 2026-11-29 02:00 PST" in line.text
    assert "last tried: 2026-11-23 05:00 UTC" in line.text
    assert "daemon" in line.text


def test_a_paused_district_is_not_missed() -> None:
    assert untried(district(paused=True), None, SUNDAY_MORNING) is None
    assert untried(district(), None, SUNDAY_MORNING) is not None


@pytest.mark.parametrize(
    ("changes", "percent", "says"),
    [
        ({}, 100, "nothing waits"),
        ({"missing": 4}, 90, "4 of 40 partitions are missing"),
        ({"missing": 30}, 25, "30 of 40"),
        ({"is_stale": True}, 50, "too old"),
        ({"holds": 3}, 90, "3 account changes wait"),
        ({"is_stale": True, "holds": 3, "missing": 4}, 50, "too old"),
        ({"partitions": 0}, 0, "nothing is pulled"),
    ],
)
def test_health_is_one_number_and_what_pulls_it_down(
    changes: dict[str, object], percent: int, says: str
) -> None:
    found = health_of(replace(GOOD, **changes))  # type: ignore[arg-type]
    assert found.percent == percent
    assert says in found.sentence


@given(st.integers(0, 40), st.booleans(), st.integers(0, 3))
def test_health_never_rises_by_a_fault(missing: int, stale: bool, holds: int) -> None:
    troubles = (Trouble("gpas", 1, ""),) * missing
    ill = replace(GOOD, missing=missing, troubles=troubles, is_stale=stale, holds=holds)
    assert 0 <= health_of(ill).percent <= 100
    worse = replace(ill, missing=min(missing + 1, 40), is_stale=True)
    assert health_of(worse).percent <= health_of(ill).percent
    assert (health_of(ill).percent == 100) == (not ill.needs_a_person)


def test_the_digest_begins_with_who_needs_somebody() -> None:
    ill = replace(GOOD, id="hawk-usd", name="Hawk", holds=2, changed={"deactivate": 3, "create": 0})
    first, second = digest([GOOD, ill])
    assert first.text == (
        "Hawk (hawk-usd): 90 %, 2 account changes wait for a person; aeries-pipeline accounts "
        "review hawk-usd; accounts: 3 deactivated"
    )
    assert second.text.endswith("accounts: no change")


def test_watch_tells_once_and_digest_and_metrics_speak_of_the_ledger(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with webhook() as hook:
        monkeypatch.setenv("TEST_WEBHOOK", hook.url)
        entry = roster_entry(world.url, world.schools)
        channel = {"kind": "slack", "webhook_env": "TEST_WEBHOOK"}
        write_roster(world.settings.roster, [entry], notifications=[channel])
        for _ in range(2):
            missed = call(world, "watch")
            assert missed.exit_code == 1
            assert "eagle-usd: no pull was tried in the opening" in missed.output
        assert len(hook.got) == 1, "one opening is told once"
        assert "No pull was tried" in hook.got[0]["text"]

        world.faults({"kind": "html", "path": "schools/993/students$"})
        assert call(world, "sync", "eagle-usd").exit_code == 1
        again = call(world, "watch")
        assert again.exit_code == 0, "a pull that failed was tried"
        assert "every district was tried" in again.output

        assert call(world, "digest", "--print").exit_code == 0
        assert len(hook.got) == 1
        sent = call(world, "digest")
        assert sent.exit_code == 0
        assert "0 of 1 district need nobody" in hook.got[1]["text"]
        assert "1 of 26 partitions is missing" in hook.got[1]["text"]

    file = tmp_path / "aeries.prom"
    assert call(world, "metrics", "--textfile", str(file)).exit_code == 0
    assert file.read_text("utf-8").count("\n") > 20
    values = {
        sample.name: sample.value
        for family in text_string_to_metric_families(call(world, "metrics").stdout)
        for sample in family.samples
    }
    assert 0 < values["aeries_health_percent"] < 100
    assert values["aeries_partitions_missing"] > 0
    held = json.dumps(sorted(values))
    assert "last_tried" in held
