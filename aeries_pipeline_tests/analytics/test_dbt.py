"""The worked dbt project, built by dbt itself over a published copy."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml

from aeries_pipeline_tests.analytics.publishing.test_publish import published, pull_all
from aeries_pipeline_tests.conftest import World

PROJECT = Path(__file__).parents[2] / "docs" / "dbt"
DBT = Path(sys.prefix).with_name(f"{Path(sys.prefix).name}-dbt") / "bin" / "dbt"


@pytest.mark.long
@pytest.mark.skipif(not DBT.exists(), reason="make .venv-dbt/.installed")
def test_the_worked_project_builds_and_agrees_with_the_copy(world: World, tmp_path: Path) -> None:
    pull_all(world)
    copy = published(world).database
    built = tmp_path / "readiness.duckdb"
    done = subprocess.run(
        [
            str(DBT), "build", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT),
            "--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "log"),
        ],
        env={
            **os.environ, "AERIES_PUBLISHED": str(copy), "READINESS_DATABASE": str(built),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    with duckdb.connect(str(built), read_only=True) as connection:
        connection.execute(f"ATTACH '{copy}' AS aeries (READ_ONLY)")
        seniors = connection.execute(
            "SELECT sum(seniors), sum(not_on_track) FROM seniors_not_on_track"
        ).fetchone()
        assert (
            seniors
            == connection.execute(
                "SELECT count(*), count(*) FILTER (NOT is_on_track) FROM aeries.analytics.on_track "
                "WHERE grade = 12"
            ).fetchone()
        )
        assert seniors[0] > 0
        now = connection.execute("SELECT sum(students) FROM enrollment_by_month").fetchone()
        assert (
            now
            == connection.execute(
                "SELECT count(*) FROM aeries.analytics.students_now WHERE is_main_school"
            ).fetchone()
        )


def test_the_sources_are_those_of_the_copy(world: World) -> None:
    pull_all(world)
    sources = yaml.safe_load((PROJECT / "models" / "sources.yml").read_text(encoding="utf-8"))
    with duckdb.connect(str(published(world).database), read_only=True) as connection:
        found: dict[tuple[str, str], list[str]] = {}
        for schema, table, column in connection.execute(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns "
            "ORDER BY ordinal_position"
        ).fetchall():
            found.setdefault((schema, table), []).append(column)
    for source in sources["sources"]:
        for table in source["tables"]:
            here = found[source["schema"], table["name"]]
            assert {one["name"] for one in table["columns"]} == set(here), table["name"]
