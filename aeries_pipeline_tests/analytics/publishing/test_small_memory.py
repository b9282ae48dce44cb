"""A copy of a large district is made with as little memory as its rows are loaded with."""

import duckdb
import pytest

from aeries_pipeline.analytics.publishing.publish import publish
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.stores.memory import MEMORY_VARIABLE
from aeries_pipeline_tests.analytics.publishing.test_publish import pull_all
from aeries_pipeline_tests.conftest import World

TIMES = 200


@pytest.mark.long
def test_a_large_district_is_published_with_the_least_memory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sorted whole, or by two threads, its transcripts take several times as much."""
    pull_all(world)
    with world.warehouse.open() as connection:
        connection.execute(
            'INSERT INTO raw.transcripts BY NAME SELECT t.* REPLACE ("StudentID" + 1000000 * k AS '
            f'"StudentID") FROM raw.transcripts AS t, range(1, {TIMES}) AS r(k)'
        )
    values = 'count(*), sum(hash("StudentID", school, "CourseID")::HUGEINT)'
    held = f"SELECT {values} FROM raw.transcripts"
    before = world.warehouse.rows(held)
    assert before[0][0] > 500_000
    monkeypatch.setenv(MEMORY_VARIABLE, "96MiB")
    done = publish(world.settings, load_roster(world.settings.roster))
    assert done.rows["raw.transcripts"] == before[0][0]
    with duckdb.connect(str(world.settings.published / "aeries.duckdb"), read_only=True) as copy:
        assert copy.execute(held).fetchall() == before
        schools = copy.execute("SELECT school FROM raw.transcripts").fetchnumpy()["school"]
    assert (schools[1:] >= schools[:-1]).all(), "still in the order of schools"
    files = world.settings.published / "parquet" / "raw.transcripts.parquet" / "*.parquet"
    assert duckdb.sql(f"SELECT count(*) FROM '{files}'").fetchone() == (before[0][0],)
