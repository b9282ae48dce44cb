"""A home with keys of an earlier release: nothing of its history is lost."""

import sqlite3
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.old_keys import MARK, respelled
from aeries_pipeline.orchestration.partitions import split
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.orchestration.test_raw_assets import run

TERMS = dg.AssetKey(["raw", "terms"])


def texts(home: Path) -> str:
    """Everything that a home's databases hold as text."""
    found = []
    for path in home.rglob("*.db"):
        with sqlite3.connect(path) as connection:
            found += list(connection.iterdump())
        connection.close()
    return "\n".join(found)


def make_older(home: Path, schools: list[int]) -> None:
    """Spell every key in a home's databases as releases before 0.2 did."""
    for path in home.rglob("*.db"):
        with sqlite3.connect(path) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
                for _number, column, kind, *_rest in columns:
                    if not kind.startswith(("TEXT", "VARCHAR")):
                        continue
                    for school in schools:
                        connection.execute(
                            f"UPDATE {table} SET {column} = "
                            f"replace({column}, 'eagle-usd/{school}', 'eagle-usd|{school}') "
                            f"WHERE {column} LIKE '%eagle-usd/{school}%'"
                        )
        connection.close()


def test_runs_events_checks_and_tags_of_an_older_home_are_brought_along(world: World) -> None:
    with open_instance(world.settings) as instance:
        before = run(world, instance, "terms").run_id
        checks = len(instance.event_log_storage.get_asset_check_summary_records([]))
    home = world.settings.dagster_home
    make_older(home, world.schools)
    held = texts(home)
    assert "eagle-usd|994" in held
    assert "eagle-usd/994" not in held
    (home / MARK).unlink()
    with open_instance(world.settings) as instance:
        present = {f"eagle-usd/{school}" for school in world.schools}
        assert instance.get_materialized_partitions(TERMS) == present
        old = instance.get_run_by_id(before)
        assert old.is_success
        assert {split(old.tags[tag])[0] for tag in old.tags if "partition_range" in tag} == {
            "eagle-usd"
        }
        assert [one.run_id for one in instance.get_runs(dg.RunsFilter(tags=dict(old.tags)))] == [
            before
        ]
        (event,) = instance.fetch_materializations(
            dg.AssetRecordsFilter(TERMS, asset_partitions=["eagle-usd/994"]), limit=5
        ).records
        assert event.asset_materialization.partition == "eagle-usd/994"
        assert len(instance.event_log_storage.get_asset_check_summary_records([])) == checks
    assert "eagle-usd|99" not in texts(home), "nobody meets two spellings"


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True), st.integers(0, 99999))
def test_a_key_alone_or_inside_a_text_is_spelled_anew(district: str, school: int) -> None:
    old, new = f"{district}|{school}", f"{district}/{school}"
    assert respelled(old) == new
    assert respelled(f'{{"partition": "{old}"}}') == f'{{"partition": "{new}"}}'
    assert respelled(new) == new


@pytest.mark.parametrize(
    "text", ["| eagle-usd | 994 |", "a|b", "1|Ann|9|991|", "|eagle-usd|994|", "x || 12", "|994"]
)
def test_bars_that_join_no_district_and_school_stay(text: str) -> None:
    assert respelled(text) == text
