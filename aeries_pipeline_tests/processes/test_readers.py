"""Analysts never meet a lock: readers stay open through nights of writes, old DuckDBs included."""

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import duckdb
import pytest

from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.processes.test_command_line import call

OLDEST = Path(sys.prefix).with_name(f"{Path(sys.prefix).name}-duckdb14") / "bin" / "python"

READER = """
import sys, time, duckdb
path, parquet, stop = sys.argv[1:]
import pathlib
held = duckdb.connect(path, read_only=True)
first = held.execute("SELECT publication_id FROM meta.published").fetchone()
rows = held.execute("SELECT count(*), sum(hash(a::VARCHAR)) FROM core.accounts a").fetchone()
seen, looks = set(), 0
while not pathlib.Path(stop).exists():
    assert held.execute("SELECT publication_id FROM meta.published").fetchone() == first
    again = held.execute("SELECT count(*), sum(hash(a::VARCHAR)) FROM core.accounts a").fetchone()
    assert again == rows, "an open copy has changed"
    import subprocess
    one = subprocess.run(
        [sys.executable, "-c", '''
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as c:
    name, = c.execute("SELECT publication_id FROM meta.published").fetchone()
    a, = c.execute("SELECT count(*) FROM core.accounts").fetchone()
    b, = c.execute("SELECT count(*) FROM analytics.students_now WHERE is_main_school").fetchone()
    on, = c.execute("SELECT count(*) FROM core.accounts WHERE state = 'active'").fetchone()
    assert b == on, (b, on)
with duckdb.connect() as c:
    assert c.execute(f"SELECT count(*) FROM '{sys.argv[2]}/core.accounts.parquet'").fetchone()[0]
print(name)
''', path, parquet], capture_output=True, text=True)
    assert one.returncode == 0, one.stderr
    seen.add(one.stdout.strip())
    looks += 1
print(len(seen), looks)
"""


def tables_in(copy: Path) -> int:
    with duckdb.connect(str(copy), read_only=True) as opened:
        return int(opened.execute("SELECT tables FROM meta.published").fetchall()[0][0])


@pytest.mark.long
def test_readers_held_open_through_nights_of_writes_meet_no_lock(world: World) -> None:
    roster = world.settings.roster
    roster.write_text(
        roster.read_text(encoding="utf-8") + "publish:\n  minutes: 0\n", encoding="utf-8"
    )
    assert call(world, "sync", "eagle-usd").exit_code == 0
    place = world.settings.published
    stop = world.settings.data / "stop"
    command = [sys.executable, "-c", textwrap.dedent(READER)]
    command += [str(place / "aeries.duckdb"), str(place / "parquet"), str(stop)]
    readers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    time.sleep(1)
    for _night in range(4):
        world.site.advance(1)
        world.site.clock_offset += 86400
        done = call(world, "sync", "eagle-usd")
        assert done.exit_code == 0, done.output
        assert f"analysts' copy: {tables_in(place / 'aeries.duckdb')} tables" in done.output
    stop.touch()
    for reader in readers:
        out, err = reader.communicate(timeout=120)
        assert reader.returncode == 0, err
        versions, looks = map(int, out.split())
        assert versions >= 3, "new readers saw new copies while others held the old ones"
        assert looks >= 5


@pytest.mark.long
@pytest.mark.skipif(not OLDEST.exists(), reason="make test-long installs DuckDB 1.4 beside this")
def test_the_oldest_promised_duckdb_reads_every_table_and_view(world: World) -> None:
    assert call(world, "sync", "eagle-usd").exit_code == 0
    code = """
import sys, duckdb
assert duckdb.__version__.startswith("1.4."), duckdb.__version__
with duckdb.connect(sys.argv[1], read_only=True) as c:
    names = c.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables() UNION ALL "
                      "SELECT schema_name || '.' || view_name FROM duckdb_views() "
                      "WHERE NOT internal").fetchall()
    for (name,) in names:
        c.execute(f"SELECT * FROM {name}").fetchall()
    print(len(names), c.execute("SELECT count(*) FROM analytics.on_track").fetchone()[0])
"""
    shown = subprocess.run(
        [str(OLDEST), "-c", code, str(world.settings.published / "aeries.duckdb")],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    tables, students = map(int, shown.split())
    assert tables > 50
    assert students > 0
