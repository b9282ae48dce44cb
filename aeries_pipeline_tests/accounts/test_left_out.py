"""Whoever is left out is in no file and no copy; a list that fails shares and ends nobody."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import duckdb
import pytest

from aeries_pipeline.accounts.left_out import accept, look, told
from aeries_pipeline.accounts.review import Wish, say, waiting
from aeries_pipeline.accounts.sharing import Cause, LeftOut
from aeries_pipeline.accounts.xello.contents import NothingToDeliverError
from aeries_pipeline.accounts.xello.deliver import deliver
from aeries_pipeline.analytics.publishing.publish import Published, publish
from aeries_pipeline.deliveries.deliver import NotDeliveredError, send
from aeries_pipeline.deliveries.sharing import students_in
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import Roster
from aeries_pipeline.operations.privacy.forget import NotForgottenError, forget
from aeries_pipeline.operations.privacy.forget import Wish as Forget
from aeries_pipeline.settings import Settings
from aeries_pipeline_tests.accounts.builders import Ward
from aeries_pipeline_tests.accounts.xello.test_deliver import SCHOOLS, fill, made
from aeries_pipeline_tests.deliveries.sets import Outgoing

MANY = 400


def everyone(**values: str) -> list[dict[str, object]]:
    return [
        {"StudentID": one, "school": 991 + one % 3, "RecordsReleaseCode": "Y", **values}
        for one in range(1, MANY + 1)
    ]


class Sharing(Ward):
    """A district that leaves students out."""

    def __init__(self, folder: Path, **rules: object) -> None:
        super().__init__(folder / "data")
        self.path = folder / "opted-out.csv"
        self.names([])
        self.roster["share"] = {"opted_out": str(self.path), **rules}
        self.out = folder / "data" / "out"

    def names(self, students: list[int]) -> None:
        text = "\n".join(["StudentID", *map(str, students), ""])
        self.path.write_text(text, encoding="utf-8")

    def first(self) -> None:
        self.night(0, everyone())
        fill(self, "schools", SCHOOLS)

    def active(self) -> set[int]:
        return {one for one, (state, _school) in self.accounts().items() if state == "active"}

    def delivered(self) -> set[int]:
        return students_in(made(self).folder / "Student.txt")


@pytest.fixture
def ward(tmp_path: Path) -> Sharing:
    found = Sharing(tmp_path)
    found.first()
    assert len(found.delivered()) == MANY
    return found


def test_who_opts_out_is_in_no_file_from_that_night_on_and_may_return(ward: Sharing) -> None:
    ward.names([1, 2])
    computed = ward.night(1, everyone())
    assert computed.applied == {"deactivate": 2}
    assert ward.warehouse.rows(
        "SELECT DISTINCT code, kind, status FROM core.account_changes WHERE student_id < 3 "
        "AND kind <> 'create'"
    ) == [("not_shared", "deactivate", "applied")]
    assert not computed.waiting, "nothing is asked of Aeries and nobody waits"
    delivery = made(ward)
    for path in delivery.folder.glob("*.[ct]*"):
        assert not {1, 2} & students_in(path), path.name
    assert delivery.manifest["left_out_of_what_is_shared"] == {"opted_out": 2}
    assert ward.warehouse.rows("SELECT cause, students FROM core.left_out_by_cause") == [
        ("opted_out", 2)
    ]
    assert ward.night(2, everyone()).applied == {}, "the same evidence changes nothing"
    ward.names([2])
    assert ward.night(3, everyone()).applied == {}, "the list must say so in two nights"
    with pytest.raises(NothingToDeliverError, match="before another night says it too"):
        made(ward)
    assert ward.night(4, everyone()).applied == {"reactivate": 1}
    assert 1 in ward.delivered()


def test_who_is_left_out_from_the_beginning_never_has_an_account(tmp_path: Path) -> None:
    ward = Sharing(tmp_path, schools=[991, 992], grades=[9, 12])
    ward.names([3])
    rows = [{**one, "Grade": 8} if one["StudentID"] == 4 else one for one in everyone()]
    computed = ward.night(0, rows)
    ids = range(1, MANY + 1)
    assert ward.active() == {one for one in ids if one % 3 != 2 and one not in {3, 4}}
    assert computed.not_shared.counted(ids) == {"opted_out": 1, "school": 133, "grade": 1}
    moved = [{**one, "school": 993} if one["StudentID"] == 6 else one for one in rows]
    assert ward.night(1, moved).applied == {"deactivate": 1}
    assert ward.night(2, rows).applied == {"reactivate": 1}


def test_a_child_with_a_new_id_stays_left_out(ward: Sharing) -> None:
    ward.names([1])
    ward.night(1, everyone())
    rows = [
        {**one, "StudentID": 9001, "OldStudentID": 1, "StudentNumber": 2, "FirstName": "First1"}
        if one["StudentID"] == 1
        else one
        for one in everyone()
    ]
    born = ward.warehouse.rows("SELECT birthdate FROM core.accounts WHERE student_id = 1")[0][0]
    rows = [{**one, "Birthdate": born} if one["StudentID"] == 9001 else one for one in rows]
    assert ward.night(2, rows).applied == {}
    assert 9001 not in ward.accounts()


@pytest.mark.parametrize(
    "fault",
    ["missing", "StudentID\n1\nsomebody\n", "", "StudentID\n", "<html>sign in</html>",
     "StudentID\n7000001\n7000002\n7000003\n7000004\n7000005\n7000006\n"],
    ids=["missing", "a bad id", "empty", "cut", "another file", "other numbers"],
)  # fmt: skip
def test_a_list_that_fails_shares_nobody_and_ends_no_account(ward: Sharing, fault: str) -> None:
    ward.roster["safeguards"] = {"min_left_out": 20}
    listed = [*range(1, 13)]
    ward.names(listed)
    ward.night(1, everyone())
    assert ward.delivered() == {*range(13, MANY + 1)}
    before = ward.active()
    if fault == "missing":
        ward.path.unlink()
    else:
        ward.path.write_text(fault, encoding="utf-8")
    for number in (2, 3):
        computed = ward.night(number, everyone())
        assert ward.active() == before
        assert computed.not_shared.trouble
        with pytest.raises(NothingToDeliverError) as caught:
            made(ward)
        assert "somebody" not in str(caught.value)
        assert "7000001" not in str(caught.value)
    ward.names(listed)
    assert not ward.night(4, everyone()).not_shared.trouble
    assert ward.delivered() == before


def test_a_list_of_thousands_waits_for_a_person_and_nothing_goes_out(ward: Sharing) -> None:
    ward.names([*range(1, 301)])
    gone = [one for one in everyone() if one["StudentID"] != 400]
    left = {**everyone()[-1], "InactiveStatusCode": "T"}
    ward.night(1, [*gone, left])
    computed = ward.night(2, [*gone, left])
    assert computed.applied == {"deactivate": 1}, "who left the school leaves as on any night"
    assert len(ward.active()) == MANY - 1
    (trip, *_) = computed.ruling.trips
    assert (trip.group, trip.students) == ("exclusions", 300)
    assert "students left out of what the district shares" in trip.sentence
    with pytest.raises(NothingToDeliverError, match="300 students in it are left out"):
        made(ward)
    batch = waiting(ward.warehouse, "eagle-usd")[0].batch_id
    say(ward.warehouse, "eagle-usd", Wish(batch, "reject", "A", "a mistake"))
    assert ward.night(3, [*gone, left]).rejected == 300
    with pytest.raises(NothingToDeliverError, match="300 students in it are left out"):
        made(ward)
    ward.night(4, [*gone, left])
    batch = waiting(ward.warehouse, "eagle-usd")[0].batch_id
    say(ward.warehouse, "eagle-usd", Wish(batch, "approve", "A", "asked the district"))
    assert ward.night(5, [*gone, left]).applied == {"deactivate": 300}
    assert ward.delivered() == {*range(301, MANY)}


def test_one_a_night_is_many_in_a_month(ward: Sharing) -> None:
    held = 0
    for number in range(1, 9):
        ward.names([*range(1, number + 1)])
        held += ward.night(number, everyone()).held.get("deactivate", 0)
    assert held == 3, "the sixth, seventh and eighth of 400 in 30 days"


def test_a_field_that_can_no_longer_be_read_shares_nobody_again(tmp_path: Path) -> None:
    rule = {"fields": {"RecordsReleaseCode": {"never": ["N"]}}}
    ward = Sharing(tmp_path, **rule)
    rows = [{**one, "RecordsReleaseCode": "N"} if one["StudentID"] <= 10 else one
            for one in everyone()]  # fmt: skip
    ward.night(0, rows)
    fill(ward, "schools", SCHOOLS)
    assert ward.delivered() == {*range(11, MANY + 1)}
    computed = ward.night(1, everyone())
    assert set(computed.not_shared.causes.values()) == {Cause.IN_DOUBT}
    assert ward.active() == {*range(11, MANY + 1)}
    with pytest.raises(NothingToDeliverError, match="would be shared again"):
        made(ward)
    computed = ward.night(2, everyone(RecordsReleaseCode=""))
    assert "blank in every row" in computed.not_shared.trouble
    with pytest.raises(ConfigurationError, match="say who decides"):
        accept(ward.warehouse, ward.district, "A", " ")
    ward.pulls(3, everyone())
    assert accept(ward.warehouse, ward.district, "A", "asked the district") == 10
    ward.compute()
    assert ward.active() == {*range(1, MANY + 1)}
    assert ward.warehouse.rows(
        "SELECT action, changes FROM meta.account_decisions WHERE action = 'share_again'"
    ) == [("share_again", 10)]
    with pytest.raises(ConfigurationError, match="nobody waits"):
        accept(ward.warehouse, ward.district, "A", "again")


def test_what_lies_finished_is_not_sent_once_somebody_in_it_has_opted_out(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    outgoing = Outgoing(tmp_path, {"to": "folder", "folder": "inbox"},
                        share={"opted_out": "opted-out.csv"})  # fmt: skip
    ward = Sharing(tmp_path)
    ward.first()
    deliver(ward.warehouse, ward.district, ward.out, moment=ward.moment)
    ward.names([5])
    with pytest.raises(NotDeliveredError, match="1 student in it is left out"):
        send(outgoing.job())
    ward.path.unlink()
    with pytest.raises(NotDeliveredError, match="does not exist"):
        send(outgoing.job())
    assert not list((tmp_path / "inbox").iterdir())
    ward.names([5000, MANY])
    ward.night(1, everyone())
    deliver(ward.warehouse, ward.district, ward.out, moment=ward.moment)
    assert send(outgoing.job()).is_new
    assert MANY not in students_in(tmp_path / "inbox" / "Student.txt")


def test_the_copy_for_analysts_lacks_them_where_the_roster_says_so(tmp_path: Path) -> None:
    ward = Sharing(tmp_path)
    ward.first()
    settings = Settings(data=ward.out.parent, roster=tmp_path / "districts.yaml")
    ward.names([1])
    assert _in_copy(settings, ward, "rows") == MANY
    for access in ("counts", "rows"):
        shutil.rmtree(settings.published)
        ward.roster["analysts"] = {"access": access, "smallest_count": 2}
        ward.roster["share"] = {"opted_out": str(ward.path), "published": False}
        ward.names([1])
        assert _in_copy(settings, ward, access) == MANY - 1, "before accounts are computed anew"
    ward.names([1, 2])
    assert _in_copy(settings, ward, access) == MANY - 2
    ward.night(1, everyone())
    ward.path.write_text("StudentID\nnobody\n", encoding="utf-8")
    for _twice in range(2):
        done = publish(settings, Roster(districts=[ward.district]), again=True)
        assert "no StudentID that can be read in line 2" in done.left["eagle-usd"]
        assert done.left["eagle-usd"].endswith("its rows of the last copy stay")
        assert _everywhere(done) == [MANY - 2] * 3
    # Somebody more is left out: what the last copy shows of them must go.
    ward.roster["share"] |= {"grades": [9, 9]}
    done = publish(settings, Roster(districts=[ward.district]))
    assert "the copy has no rows of it until then" in done.left["eagle-usd"]
    assert _everywhere(done) == [0, 0, 0]


def _everywhere(done: Published) -> list[int]:
    """Return the students in the database, in the district's own and in the Parquet files."""
    own = done.database.with_name("districts") / "eagle-usd.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{done.database}' AS a (READ_ONLY)")
        tables = ["a.raw.students", f"'{done.parquet / 'raw.students.parquet' / '*.parquet'}'"]
        if own.exists():
            connection.execute(f"ATTACH '{own}' AS b (READ_ONLY)")
            tables.append("b.raw.students")
        found = [connection.execute(f"SELECT count(*) FROM {one}").fetchone() for one in tables]
    return [*(number for (number,) in found), *([] if own.exists() else [0])]


def test_ids_of_nobody_on_the_list_are_counted_apart() -> None:
    causes = {1: Cause.OPTED_OUT, 2: Cause.OPTED_OUT, 3: Cause.FIELD, 9: Cause.OPTED_OUT}
    found = LeftOut(causes, unknown=2, listed=3)
    assert found.students_by_cause() == {"opted_out": 1, "field": 1}
    assert told(found) == (
        "left out of what is shared: 1 on the list of those who opted out, 1 by a field of their "
        "row; besides, 2 of the 3 StudentIDs on the list are those of no student here"
    )
    nobody = LeftOut({1: Cause.OPTED_OUT}, unknown=1, listed=1)
    assert told(nobody).startswith("left out of what is shared: nobody; besides, 1 of the 1 Stu")


def _in_copy(settings: Settings, ward: Sharing, access: str) -> int:
    done = publish(settings, Roster(districts=[ward.district]))
    assert not done.left
    counted = "sum(students) FROM analytics.account_changes_by_day WHERE kind = 'create'"
    table = "count(*) FROM raw.students" if access == "rows" else counted
    with duckdb.connect(str(done.database), read_only=True) as connection:
        ((number,),) = connection.execute(f"SELECT {table}").fetchall()
    return int(number)


def test_who_is_on_the_list_is_not_forgotten_before_the_line_is_gone(ward: Sharing) -> None:
    ward.names([1])
    ward.night(1, everyone())
    settings = Settings(data=ward.out.parent, roster=ward.path.with_name("districts.yaml"))
    wish = Forget("eagle-usd", "A", "asked for", 1, although_listed=True)
    with pytest.raises(NotForgottenError, match="list of students who opted out"):
        forget(settings, Roster(districts=[ward.district]), wish)


@pytest.mark.long
def test_through_many_nights_of_faults_nobody_on_the_list_is_ever_in_a_file(ward: Sharing) -> None:
    chance = random.Random(7)
    listed: set[int] = set()
    last, went_out = {*range(1, MANY + 1)}, 0
    for number in range(1, 25):
        listed |= {chance.randint(1, MANY) for _ in range(chance.choice([0, 0, 1]))}
        if chance.random() < 0.1 and listed:
            listed.discard(min(listed))
        ward.names(sorted(listed))
        fault = chance.choice(["", "", "gone", "cut", "garbled", "everybody"])
        if fault == "gone":
            ward.path.unlink()
        elif fault == "cut":
            ward.path.write_bytes(ward.path.read_bytes()[: chance.randint(0, 10)])
        elif fault == "garbled":
            ward.path.write_text(ward.path.read_text() + "?\n", encoding="utf-8")
        elif fault == "everybody":
            ward.names([*range(1, MANY + 1)])
        ward.night(number, everyone())
        if fault in {"", "gone"} and look(ward.warehouse, ward.district, ward.moment).doubted:
            # The person knows the list, and everybody was on it by mistake.
            ward.names(sorted(listed))
            accept(ward.warehouse, ward.district, "A", "asked the district")
            ward.night(number + 0.5, everyone())
        try:
            now = ward.delivered()
        except NothingToDeliverError:
            continue
        went_out += 1
        assert not now & listed, (number, fault)
        assert len(last - now) <= 6
        last = now
    assert went_out >= 8
    assert look(ward.warehouse, ward.district, ward.moment).listed == len(listed)
