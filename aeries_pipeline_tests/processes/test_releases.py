"""From earlier releases to the present, with their own code from this repository's history."""

import os
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.stores.connection import Columns, tables_of
from aeries_pipeline.stores.split import OF_THE_INSTALLATION
from aeries_pipeline_tests.conftest import World, roster_entry, write_roster
from aeries_pipeline_tests.course_requests.test_pipeline import put
from aeries_pipeline_tests.processes.test_kill import assert_whole

REPOSITORY = Path(__file__).parents[2]


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["git", "-C", str(REPOSITORY), *arguments], capture_output=True, check=False
    )


def code_of(folder: Path, *found_by: str, before: bool = False) -> Path:
    """Put the code of a commit into a folder: of the one that a search of the history finds.

    Args:
        folder: Where to.
        found_by: What ``git log`` is asked for.
        before: Whether the commit before it is meant.
    """
    found = git("log", "-1", "--format=%H", *found_by).stdout.decode().strip()
    # The first commit of a shallow copy seems to have added everything.
    is_known = found and not git("rev-parse", "--verify", f"{found}^").returncode
    code = git("archive", f"{found}{'^' if before else ''}", "aeries_pipeline")
    if not is_known or code.returncode:
        pytest.skip("this copy of the repository has no history that reaches back so far")
    with tarfile.open(fileobj=BytesIO(code.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A folder with the code of release 0.1, as it was before the version became another."""
    return code_of(
        tmp_path / "release-0.1", '-Sversion = "0.1.0"', "--", "pyproject.toml", before=True
    )


STATES_OF_0_2 = {
    # One warehouse for all districts, and partitions such as eagle-usd|994.
    "its first": (['-Sversion = "0.2.0"', "--", "pyproject.toml"], False),
    # One warehouse for all districts still.
    "before a warehouse for each district": (
        ["--diff-filter=A", "--", "aeries_pipeline/stores/store.py"], True,
    ),
}  # fmt: skip
"""How a state of 0.2 is found that somebody may have run before it was released."""


def run(world: World, code: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the code of a release."""
    environment = {**os.environ, **world.variables, "COLUMNS": "300", "PYTHONPATH": str(code)}
    return subprocess.run(
        [sys.executable, "-m", "aeries_pipeline.cli", *arguments],
        env=environment, cwd=world.settings.data.parent, capture_output=True, text=True,
        timeout=180, check=False,
    )  # fmt: skip


def well(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def content(path: Path, tables: Columns | None = None) -> tuple[Columns, dict[str, tuple]]:
    """Count and hash the rows of a file, in these tables and columns or in all of its own."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS it (READ_ONLY)")
        tables = tables or {
            place: columns
            for place, columns in tables_of(connection, "it").items()
            if place not in OF_THE_INSTALLATION
        }
        found = {}
        for (schema, table), columns in tables.items():
            names = ", ".join(quoted(one) for one in columns)
            found[f"{schema}.{table}"] = connection.execute(
                f"SELECT count(*), sum(hash({names})::HUGEINT) FROM it.{schema}.{quoted(table)}"
            ).fetchone()
        return tables, found


def students(path: Path) -> int:
    return content(path)[1]["raw.students"][0]


@pytest.mark.long
def test_from_release_0_1_to_the_present_and_back_as_documented(make_world, release: Path) -> None:
    world = make_world(schools=1, students=40)
    data, roster = world.settings.data, world.settings.roster
    entry = roster_entry(world.url, world.schools)
    del entry["accounts"]
    write_roster(roster, [entry])
    (school,) = world.schools
    of_aeries = world.site.district.rows[school]
    student = next(row.person.id for row in of_aeries if not row.tag)
    put(world, f"StudentID,CourseID\n{student},0001\n", "spring.csv")

    # Two nights with the release's own code.
    well(run(world, release, "sync", "eagle-usd"))
    world.site.advance(1)
    well(run(world, release, "sync", "eagle-usd"))
    tables, before = content(data / "warehouse.duckdb")
    assert students(data / "warehouse.duckdb") == len(of_aeries)
    assert before["core.course_requests"][0] == 1

    # The present release brings every row along, and finds nothing to change in the accounts.
    well(run(world, REPOSITORY, "status"))
    assert content(world.warehouse.path, tables)[1] == before
    assert "accounts: no change" in well(run(world, REPOSITORY, "sync", "eagle-usd"))
    assert assert_whole(world.warehouse) > 8

    # Without the way back the older release stops before it does anything.
    stopped = run(world, release, "sync", "eagle-usd")
    assert stopped.returncode == 1
    assert "aeries_pipeline.orchestration" in stopped.stderr
    assert not (data / "warehouse.duckdb").exists()

    aside = data.parent / "aside"
    aside.mkdir()
    for name in ("warehouses", "ledger.duckdb", "dagster"):
        shutil.move(data / name, aside / name)
    shutil.copy(data / "backups" / "warehouse-schema-1.duckdb", data / "warehouse.duckdb")
    assert content(data / "warehouse.duckdb") == (tables, before)
    write_roster(roster, [entry | {"delivery": {"kind": "folder"}}])
    refused = run(world, release, "sync", "eagle-usd")
    assert refused.returncode == 2
    assert "delivery" in refused.stderr
    write_roster(roster, [entry])
    world.site.advance(1)
    well(run(world, release, "sync", "eagle-usd"))
    assert "1 districts, 0 of them need a person" in well(run(world, release, "status"))
    assert students(data / "warehouse.duckdb") == len(of_aeries)

    # And the upgrade can be made again.
    tables, before = content(data / "warehouse.duckdb")
    well(run(world, REPOSITORY, "status"))
    assert content(world.warehouse.path, tables)[1] == before


@pytest.mark.long
@pytest.mark.parametrize("state", STATES_OF_0_2)
def test_from_a_state_of_0_2_to_the_present(make_world, tmp_path: Path, state: str) -> None:
    found_by, before = STATES_OF_0_2[state]
    code = code_of(tmp_path / "release-0.2", *found_by, before=before)
    world = make_world(schools=1, students=40)
    data = world.settings.data
    entry = roster_entry(world.url, world.schools)
    del entry["accounts"]
    write_roster(world.settings.roster, [entry])
    (school,) = world.schools
    well(run(world, code, "sync", "eagle-usd"))
    tables, content_before = content(data / "warehouse.duckdb")
    # The one table in which an upgrade leaves a row.
    tables = {place: names for place, names in tables.items() if place[1] != "schema_version"}
    del content_before["meta.schema_version"]
    folders = sorted(path.name for path in (data / "out" / "eagle-usd" / "xello").glob("2*"))
    assert len(folders) == 1

    # Every row is brought along, and so are what was delivered and the partitions of its runs.
    shown = well(run(world, REPOSITORY, "status"))
    assert "0 of them need a person" in shown
    assert content(world.warehouse.path, tables)[1] == content_before
    with open_instance(world.settings) as instance:
        known = instance.get_materialized_partitions(dg.AssetKey(["raw", "students"]))
    assert known == {f"eagle-usd/{school}"}
    assert "accounts: no change" in well(run(world, REPOSITORY, "sync", "eagle-usd"))
    assert assert_whole(world.warehouse) > 8
    assert {*folders} < {path.name for path in (data / "out" / "eagle-usd" / "xello").glob("2*")}
