"""A package is held to the rules of the OneRoster 1.2 CSV binding, written down here once more."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

import pytest

from aeries_pipeline.accounts.compute import compute
from aeries_pipeline.analytics.oneroster.export import Package, export
from aeries_pipeline.analytics.publishing.publish import publish
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline_tests.conftest import QUICK_ROUNDS, World
from aeries_pipeline_tests.processes.test_command_line import call

GUID, DATE, YEAR, FLAG, TEXT = "guid", "date", "year", "flag", "text"
GRADES = ["PK", "KG", *(f"{one:02}" for one in range(1, 13)), "Other"]
RULES: dict[str, dict[str, object]] = {
    "orgs": {
        "name": TEXT, "type": ["department", "school", "district", "local", "state", "national"],
        "identifier?": TEXT, "parentSourcedId?": "orgs",
    },
    "academicSessions": {
        "title": TEXT, "type": ["gradingPeriod", "semester", "schoolYear", "term"],
        "startDate": DATE, "endDate": DATE, "parentSourcedId?": "academicSessions",
        "schoolYear": YEAR,
    },
    "courses": {
        "schoolYearSourcedId?": "academicSessions", "title": TEXT, "courseCode?": TEXT,
        "grades?": GRADES, "orgSourcedId": "orgs", "subjects?": TEXT, "subjectCodes?": TEXT,
    },
    "classes": {
        "title": TEXT, "grades?": GRADES, "courseSourcedId": "courses", "classCode?": TEXT,
        "classType": ["homeroom", "scheduled"], "location?": TEXT, "schoolSourcedId": "orgs",
        "termSourcedIds": "academicSessions", "subjects?": TEXT, "subjectCodes?": TEXT,
        "periods?": TEXT,
    },
    "users": {
        "enabledUser": FLAG, "username": TEXT, "userIds?": TEXT, "givenName": TEXT,
        "familyName": TEXT, "middleName?": TEXT, "identifier?": TEXT, "email?": TEXT,
        "sms?": TEXT, "phone?": TEXT, "agentSourcedIds?": "users", "grades?": GRADES,
        "password?": TEXT, "userMasterIdentifier?": TEXT, "resourceSourcedIds?": TEXT,
        "preferredGivenName?": TEXT, "preferredMiddleName?": TEXT, "preferredFamilyName?": TEXT,
        "primaryOrgSourcedId?": "orgs", "pronouns?": TEXT,
    },
    "roles": {
        "userSourcedId": "users", "roleType": ["primary", "secondary"],
        "role": ["aide", "counselor", "districtAdministrator", "guardian", "parent", "principal",
                 "proctor", "relative", "siteAdministrator", "student", "systemAdministrator",
                 "teacher"],
        "beginDate?": DATE, "endDate?": DATE, "orgSourcedId": "orgs",
        "userProfileSourcedId?": TEXT,
    },
    "enrollments": {
        "classSourcedId": "classes", "schoolSourcedId": "orgs", "userSourcedId": "users",
        "role": ["administrator", "proctor", "student", "teacher"], "primary?": FLAG,
        "beginDate?": DATE, "endDate?": DATE,
    },
    "demographics": {
        "birthDate?": DATE, "sex?": ["male", "female", "unspecified", "other"],
        "americanIndianOrAlaskaNative?": FLAG, "asian?": FLAG, "blackOrAfricanAmerican?": FLAG,
        "nativeHawaiianOrOtherPacificIslander?": FLAG, "white?": FLAG,
        "demographicRaceTwoOrMoreRaces?": FLAG, "hispanicOrLatinoEthnicity?": FLAG,
        "countryOfBirthCode?": TEXT, "stateOfBirthAbbreviation?": TEXT, "cityOfBirth?": TEXT,
        "publicSchoolResidenceStatus?": TEXT,
    },
}  # fmt: skip
"""Columns in order; a question mark for one that may be blank, a file's name for a reference."""
FORMS = {
    DATE: r"\d{4}-\d\d-\d\d", YEAR: r"\d{4}", FLAG: "true|false", TEXT: r"(?s)\S(.*\S)?",
}  # fmt: skip
NEVER = {
    "categories", "classResources", "courseResources", "lineItemLearningObjectiveIds", "lineItems",
    "lineItemScoreScales", "resources", "resultLearningObjectiveIds", "results",
    "resultScoreScales", "scoreScales", "userProfiles", "userResources",
}  # fmt: skip
Rows = dict[str, list[dict[str, str]]]


def read(path: Path) -> tuple[dict[str, str], Rows]:
    """Return the manifest and the rows of a package."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        texts = {name: archive.read(name).decode("utf-8") for name in archive.namelist()}
    manifest = list(csv.reader(io.StringIO(texts.pop("manifest.csv"), newline="")))
    assert manifest[0] == ["propertyName", "value"]
    rows: Rows = {}
    for name, text in texts.items():
        assert not text.startswith("\ufeff")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        kind = name.removesuffix(".csv")
        wanted = [column.rstrip("?") for column in RULES[kind]]
        assert reader.fieldnames == ["sourcedId", "status", "dateLastModified", *wanted], name
        rows[kind] = list(reader)
    return dict(manifest[1:]), rows  # type: ignore[arg-type]


def hold(path: Path) -> tuple[dict[str, str], Rows]:
    """Hold a package to every rule, and return it."""
    manifest, rows = read(path)
    assert (manifest["manifest.version"], manifest["oneroster.version"]) == ("1.0", "1.2")
    stated = {name[5:]: mode for name, mode in manifest.items() if name.startswith("file.")}
    assert set(stated) == {*RULES, *NEVER}
    assert {name for name, mode in stated.items() if mode == "bulk"} == set(rows)
    ids = {kind: [row["sourcedId"] for row in some] for kind, some in rows.items()}
    for kind, some in rows.items():
        assert len(set(ids[kind])) == len(ids[kind]), f"{kind}: an id stands twice"
        for row in some:
            assert re.fullmatch(r"[\w.%-]{1,255}", row["sourcedId"]), kind
            assert (row["status"], row["dateLastModified"]) == ("", ""), "blank in bulk"
            for column, rule in RULES[kind].items():
                value = row[column.rstrip("?")]
                if not value and column.endswith("?"):
                    continue
                if isinstance(rule, list):
                    assert value in rule, (kind, column, value)
                elif rule in FORMS:
                    assert re.fullmatch(FORMS[str(rule)], value), (kind, column, value)
                else:
                    assert value in ids[str(rule)], (kind, column, value)
    return manifest, rows


def stocked(make_world, **roster) -> World:
    world = make_world(
        schools=3,
        students=90,
        roster={"resources": ["staff", "sections"], "accounts": QUICK_ROUNDS, **roster},
    )
    with world.session() as session:
        for name, resource in RESOURCES.items():
            if not resource.optional or name in {"staff", "sections"}:
                pull_resource(session, resource, world.schools)
    compute(world.warehouse, world.district)
    publish(world.settings, load_roster(world.settings.roster))
    return world


def made(world: World, folder: Path, **how: bool) -> Package:
    return export(world.settings, world.warehouse, world.district, folder, **how)


def test_a_package_keeps_every_rule_of_the_standard(make_world, tmp_path: Path) -> None:
    world = stocked(make_world)
    package = made(world, tmp_path / "for" / "others", demographics=True)
    _manifest, rows = hold(package.path)
    assert package.absent == {}
    assert package.path.stat().st_mode & 0o077 == 0
    assert {name: len(some) for name, some in rows.items()} == dict(package.rows)
    truth = {
        student
        for student, schools in world.site.district.truth().items()
        if set(schools) & set(world.schools)
    }
    students = [row for row in rows["roles"] if row["role"] == "student"]
    shown = {int(row["userSourcedId"].rpartition("-")[2]) for row in students}
    assert shown == truth
    primary = [row["userSourcedId"] for row in rows["roles"] if row["roleType"] == "primary"]
    assert sorted(primary) == sorted({row["userSourcedId"] for row in rows["roles"]})
    assert set(primary) == {row["sourcedId"] for row in rows["users"]}, "each user has one"
    seats = [row for row in rows["enrollments"] if row["role"] == "student"]
    assert seats
    assert all(row["beginDate"] < row["endDate"] for row in seats)
    first = [r["classSourcedId"] for r in rows["enrollments"] if r["primary"] == "true"]
    assert len(set(first)) == len(first), "one teacher is the first of a class"
    sessions = {row["sourcedId"]: row for row in rows["academicSessions"]}
    assert {row["schoolYear"] for row in sessions.values()} == {"2027"}
    assert sum(not row["parentSourcedId"] for row in sessions.values()) == 1
    terms = {sessions[row["termSourcedIds"]]["type"] for row in rows["classes"]}
    assert terms == {"term"}
    # Without being asked for, nothing of a birth date; and the command does the same.
    result = call(world, "oneroster", "eagle-usd", "--to", str(tmp_path / "again"))
    assert result.exit_code == 0, result.output
    manifest, without = hold(tmp_path / "again" / "eagle-usd-oneroster.zip")
    assert manifest["file.demographics"] == "absent"
    assert without == {name: some for name, some in rows.items() if name != "demographics"}
    assert "without demographics: not asked for" in result.output
    nobody_who_opted_out(world, tmp_path)


def nobody_who_opted_out(world: World, tmp_path: Path) -> None:
    """Who is not shared is in no package, and where that is in doubt there is none."""
    student = world.warehouse.rows("SELECT min(student_id) FROM core.accounts")[0][0]
    (tmp_path / "out.csv").write_text(f"StudentID\n{student}\n", encoding="utf-8")
    everybody = made(world, tmp_path / "one").rows["users"]
    world.write_roster(
        resources=["staff", "sections"],
        accounts=QUICK_ROUNDS,
        share={"opted_out": str(tmp_path / "out.csv")},
    )
    package = made(world, tmp_path / "two")
    hold(package.path)
    assert package.rows["users"] == everybody - 1, "whatever the published copy has"
    with zipfile.ZipFile(package.path) as archive:
        for name in archive.namelist():
            assert str(student) not in archive.read(name).decode()
    (tmp_path / "out.csv").unlink()
    with pytest.raises(ConfigurationError, match="nothing written"):
        made(world, tmp_path / "three")
    assert not (tmp_path / "three").exists()
    with pytest.raises(ConfigurationError, match="outside of"):
        made(world, world.settings.data / "packages")
    world.write_roster(resources=["staff", "sections"], analysts={"access": "counts"})
    with pytest.raises(ConfigurationError, match="nobody's rows leave it"):
        made(world, tmp_path / "four")


@pytest.mark.long
def test_without_sections_there_are_no_classes_and_the_manifest_says_so(
    make_world, tmp_path: Path
) -> None:
    world = make_world(schools=2, students=30, roster={"accounts": QUICK_ROUNDS})
    with pytest.raises(ConfigurationError, match="not published yet"):
        made(world, tmp_path)
    with world.session() as session:
        for name in ("schools", "terms", "courses", "students", "classes"):
            pull_resource(session, RESOURCES[name], world.schools)
    compute(world.warehouse, world.district)
    publish(world.settings, load_roster(world.settings.roster))
    package = made(world, tmp_path / "package")
    manifest, rows = hold(package.path)
    assert set(package.absent) == {"demographics", "classes", "enrollments"}
    assert manifest["file.classes"] == manifest["file.enrollments"] == "absent"
    assert {row["role"] for row in rows["roles"]} == {"student"}
