"""From release 0.1 to the present and back, with 0.1's own code from this repository's history."""

import os
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import duckdb
import pytest

from aeries_pipeline.catalog.tables import quoted
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


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A folder with the code of release 0.1, as it was before the version became another."""
    changed = git("log", "-1", "--format=%H", '-Sversion = "0.1.0"', "--", "pyproject.toml")
    code = git("archive", f"{changed.stdout.decode().strip()}^", "aeries_pipeline")
    if code.returncode:
        pytest.skip("this copy of the repository has no history that reaches back to release 0.1")
    folder = tmp_path / "release-0.1"
    with tarfile.open(fileobj=BytesIO(code.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


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
