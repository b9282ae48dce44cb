"""What the next delivery will change is seen before it happens, beside what is usual."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.accounts.preview import NIGHTS, drawn, left_to_deliver, preview
from aeries_pipeline_tests.accounts.builders import Ward
from aeries_pipeline_tests.accounts.test_compute import everyone, many


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def deliver(out: Path, through: datetime) -> None:
    """Leave what a delivery leaves behind."""
    folder = out / "eagle-usd" / "xello" / f"{through:%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"changes_through": through.isoformat()}))


def content(ward: Ward) -> list[tuple[object, ...]]:
    tables = ("core.accounts", "core.account_changes", "meta.account_batches",
              "core.account_waiting", "core.enrollment_counts")  # fmt: skip
    return [
        row
        for table in tables
        for row in ward.warehouse.rows(f"SELECT count(*), sum(hash(t)::HUGEINT) FROM {table} t")
    ]


def test_what_a_computation_would_change_is_shown_and_nothing_is_written(
    ward: Ward, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ward.night(0, everyone())
    deliver(out, ward.moment)
    ward.night(1, [*everyone(), *many(61, 1)])
    deliver(out, ward.moment)
    moved = [*everyone()[2:], *many(1, 1, InactiveStatusCode="T"), *many(1, 1, 993)]
    ward.pulls(2, [*moved, *many(61, 4), *many(71, 2, 992)])
    before = content(ward)
    found = preview(ward.warehouse, ward.district, out, moment=ward.moment)
    assert found.coming == {(991, "create"): 3, (992, "create"): 2, (993, "transfer"): 1}
    assert found.waiting == {"absent_too_briefly": 1}
    assert content(ward) == before
    assert list(found.nights) == [date(2026, 9, day) for day in range(20, 31)] + [
        date(2026, 10, day) for day in (1, 2, 3)
    ]
    nights = {night: sum(one.values()) for night, one in found.nights.items()}
    assert {night: n for night, n in nights.items() if n} == {
        date(2026, 10, 1): 100, date(2026, 10, 2): 1,
    }  # fmt: skip
    lines = {(one.school, one.kind): one for one in found.lines()}
    assert lines[991, "create"].most == 40
    assert lines[991, "create"].usual == pytest.approx(41 / NIGHTS)
    assert not lines[991, "create"].is_unusual
    assert lines[993, "transfer"].is_unusual
    assert found.bars == {f"{night:%m-%d}": n for night, n in nights.items()} | {"next": 6}
    computed = ward.compute()
    again = left_to_deliver(ward.warehouse, ward.district, out, computed)
    assert again.coming == found.coming, "what was rehearsed is what came"


def test_what_is_held_is_no_part_of_it_and_grades_that_are_not_delivered_neither(
    ward: Ward, tmp_path: Path
) -> None:
    ward.night(0, everyone())
    deliver(tmp_path, ward.moment)
    rows = [*everyone()[10:], *many(1, 10, InactiveStatusCode="I"), *many(90, 1, Grade=-2)]
    ward.night(1, rows)
    ward.pulls(2, rows)
    found = preview(ward.warehouse, ward.district, tmp_path, moment=ward.moment)
    assert found.coming == {}
    assert found.held == {(991, "deactivate"): 10}
    assert [one.held for one in found.lines() if one.kind == "deactivate"] == [10]


def test_before_the_first_delivery_everything_comes(ward: Ward, tmp_path: Path) -> None:
    ward.pulls(0, everyone())
    found = preview(ward.warehouse, ward.district, tmp_path, moment=ward.moment)
    assert found.since is None
    assert sum(found.coming.values()) == found.bars["next"] == 100


@given(st.dictionaries(st.text("abc-19", min_size=1, max_size=5), st.integers(0, 10_000)))
def test_a_chart_has_a_line_for_each_and_the_longest_bar_for_the_most(numbers) -> None:
    lines = drawn(numbers, "#", 40)
    assert len(lines) == len(numbers)
    for line, (name, number) in zip(lines, numbers.items(), strict=True):
        assert line.startswith(name)
        assert line.endswith(f"{number:,}")
        assert (line.count("#") > 0) is (number > 0)
        if number and number == max(numbers.values()):
            assert line.count("#") == 40
