"""Questions across districts: asked of those files alone that have changed."""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from aeries_pipeline.stores.across import Answers, Question, ask_each, moment
from aeries_pipeline.stores.backup import restore, take_backup
from aeries_pipeline.stores.ledger import Partition, partitions, troubles
from aeries_pipeline.stores.store import Store

NAMES = ("eagle-usd", "falcon-usd", "heron-jusd")
AT = datetime(2026, 11, 25, 8)


def counting(asked: list[str], name: str = "rows") -> Question:
    def ask(connection: duckdb.DuckDBPyConnection, district: str) -> int:
        asked.append(district)
        return int(connection.execute("SELECT count(*) FROM meta.pulls").fetchall()[0][0])

    return Question(name, ask)


def note(store: Store, of: str, **values: object) -> None:
    with store.warehouse(of).open() as connection:
        names, marks = ", ".join(values), ", ".join("?" for _ in values)
        connection.execute(f"INSERT INTO meta.pulls ({names}) VALUES ({marks})", [*values.values()])


def asking(store: Store, name: str = "rows") -> tuple[list[str], Answers]:
    asked: list[str] = []
    answers = ask_each(store, counting(asked, name))
    return asked, answers


def test_only_what_has_changed_is_asked(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert asking(store)[1].by_district == {}
    assert not store.ledger.path.exists(), "nothing to know, nothing noted"
    for name in NAMES:
        note(store, name, pull_id="1")
    asked, answers = asking(store)
    assert asked == [*NAMES]
    assert answers.by_district == dict.fromkeys(NAMES, 1)
    assert asking(store)[0] == []
    note(store, "falcon-usd", pull_id="2")
    asked, answers = asking(store)
    assert asked == ["falcon-usd"]
    assert answers.by_district["falcon-usd"] == 2
    assert asking(store, "another")[0] == [*NAMES], "another question is another answer"
    store.notes.forget("heron-jusd")
    assert asking(store)[0] == ["heron-jusd"]


def test_what_an_answer_rests_on_besides_the_file_counts_as_well(tmp_path: Path) -> None:
    store = Store(tmp_path)
    note(store, "eagle-usd", pull_id="1")
    asked: list[str] = []
    for zone in ("PST", "PST", "MST"):
        ask_each(store, Question("rows", counting(asked).ask, {"eagle-usd": zone}))
    assert asked == ["eagle-usd"] * 2


def test_a_backup_that_was_put_back_is_asked_anew(tmp_path: Path) -> None:
    store = Store(tmp_path)
    note(store, "eagle-usd", pull_id="1")
    made = take_backup(store.warehouse("eagle-usd"), store.backups / "eagle-usd")
    note(store, "eagle-usd", pull_id="2")
    assert asking(store)[1].by_district == {"eagle-usd": 2}
    restore(store.warehouse("eagle-usd"), made.path)
    assert asking(store)[1].by_district == {"eagle-usd": 1}


def test_a_file_that_cannot_be_used_costs_its_own_district_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name in NAMES:
        note(store, name, pull_id="1")
    asking(store)
    content = bytearray(store.path("falcon-usd").read_bytes())
    content[:4096] = b"x" * 4096
    store.path("falcon-usd").write_bytes(content)
    note(store, "heron-jusd", pull_id="2")
    answers = asking(store)[1]
    assert answers.by_district == {"eagle-usd": 1, "falcon-usd": 1, "heron-jusd": 2}
    (told,) = answers.unusable.values()
    assert told.startswith("falcon-usd: the warehouse falcon-usd.duckdb cannot be used")


def test_partitions_and_troubles_are_what_the_files_say(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for hour, status, run in ((0, "complete", "a"), (1, "failed", "b"), (2, "skipped", "b")):
        note(
            store, "eagle-usd", district="eagle-usd", resource="gpas", school=994, status=status,
            reason=status, transient=status == "skipped", run_id=run,
            started_at=AT, finished_at=AT + timedelta(hours=hour),
        )  # fmt: skip
    note(
        store, "falcon-usd", district="falcon-usd", resource="staff", status="failed", run_id="old",
        transient=False, started_at=AT, finished_at=AT - timedelta(days=30),
    )  # fmt: skip
    note(
        store, "falcon-usd", district="falcon-usd", resource="staff", status="not_granted",
        reason="not granted", started_at=AT, finished_at=AT,
    )  # fmt: skip
    found, unusable = partitions(store)
    assert unusable == {}
    assert found == {
        "eagle-usd": [Partition("gpas", 994, "skipped", "skipped", AT)],
        "falcon-usd": [Partition("staff", None, "not_granted", "not granted", None)],
    }
    assert partitions(store, ["falcon-usd"])[0].keys() == {"falcon-usd"}
    assert troubles(store, NAMES) == {"b": [(994, True)]}
    assert moment(None) is None


steps = st.lists(
    st.tuples(st.sampled_from(["write", "look", "restore", "remove", "lose"]),
              st.sampled_from(NAMES)),
    max_size=12,
)  # fmt: skip


@given(steps)
@settings(max_examples=15)
def test_an_answer_is_never_older_than_its_file(what: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        taken = {}
        for name in NAMES:
            note(store, name, pull_id="0")
            taken[name] = take_backup(store.warehouse(name), store.backups / name).path
        for number, (step, name) in enumerate(what):
            if step == "write":
                note(store, name, pull_id=str(number))
            elif step == "restore":
                restore(store.warehouse(name), taken[name])
            elif step == "remove":
                store.remove(name)
            elif step == "lose":
                store.ledger.path.unlink(missing_ok=True)
            truth = {
                one: warehouse.rows("SELECT count(*) FROM meta.pulls")[0][0]
                for one, warehouse in store.warehouses()
            }
            assert asking(store)[1].by_district == truth
