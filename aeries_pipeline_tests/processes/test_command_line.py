"""The command line as a person uses it: output, exit status, files."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from ruamel.yaml import YAML

from aeries_pipeline.cli.accounts import show_waiting
from aeries_pipeline.cli.main import main
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline_tests.conftest import World


def call(world: World, *arguments: str) -> Result:
    environment = {
        **world.variables,
        "COLUMNS": "200",
    }
    return CliRunner().invoke(main, arguments, env=environment, catch_exceptions=False)


def test_sync_loads_a_district_and_says_so(world: World) -> None:
    result = call(world, "sync", "eagle-usd")
    assert result.exit_code == 0, result.output
    assert "3 complete" in result.output
    rows = sum(len(world.site.district.rows[school]) for school in world.schools)
    assert world.warehouse.rows("SELECT count(*) FROM raw.students") == [(rows,)]
    assert f"{rows:,}" in result.output


def test_sync_of_one_school(world: World) -> None:
    result = call(world, "sync", "eagle-usd", "--school", "994", "--full")
    assert result.exit_code == 0
    assert "accounts: " in result.output
    text = "files for Xello: not before every school was pulled (missing: 992, 993)"
    assert text in result.output
    assert world.warehouse.rows("SELECT DISTINCT school FROM raw.students") == [(994,)]


def test_a_failed_school_gives_status_1_and_its_reason(world: World) -> None:
    world.faults({"kind": "html", "path": "schools/993/students$"})
    result = call(world, "sync", "eagle-usd")
    assert result.exit_code == 1
    assert "school 993, students: a login page came instead of data" in result.output


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["sync", "falcon"], 2, "'falcon' is not in the roster (it has: eagle-usd)"),
        (["sync", "eagle-usd", "--school", "5"], 2, "school 5 is not in the roster"),
        (["roster", "sync", "falcon"], 2, "'falcon' is not in the roster"),
        (["window", "eagle-usd", "--at", "noon"], 2, "write 2026-03-08T01:30"),
        (["sql", "SELECT 1"], 1, "there is no warehouse"),
        (["accounts", "review", "falcon"], 2, "'falcon' is not in the roster"),
        (["emulator", "--faults", "none.yaml"], 2, "none.yaml cannot be read"),
    ],
)
def test_mistakes_are_sentences_with_a_status(
    world: World, arguments: list[str], status: int, says: str
) -> None:
    result = call(world, *arguments)
    assert result.exit_code == status
    assert says in result.stderr
    assert "Traceback" not in result.output


def test_a_roster_with_a_mistake_is_a_sentence(world: World) -> None:
    world.write_roster(colour="red")
    result = call(world, "sync", "eagle-usd")
    assert result.exit_code == 2
    assert "eagle-usd: colour: no such setting" in result.stderr


def test_a_closed_window_refuses_and_a_reason_opens_it(world: World) -> None:
    never = [{"days": ["mon"], "opens": "00:00", "closes": "00:01"}]
    world.write_roster(pull_window=never, timezone="Pacific/Kiritimati")
    result = call(world, "sync", "eagle-usd")
    assert result.exit_code == 1
    assert "the pull window (mon 00:00 to 00:01) is closed; it opens Monday" in result.stderr
    assert not world.emulator.log
    result = call(world, "sync", "eagle-usd", "--school", "994", "--outside-window", "first load")
    assert result.exit_code == 0
    assert world.warehouse.rows("SELECT DISTINCT outside_window_reason FROM meta.pulls") == [
        ("first load",)
    ]


def test_roster_sync_writes_the_schools_that_teach(world: World) -> None:
    world.write_roster(schools=[])
    assert call(world, "sync", "eagle-usd").exit_code == 2
    result = call(world, "roster", "sync", "eagle-usd")
    assert result.exit_code == 0, result.output
    assert load_roster(world.settings.roster).get("eagle-usd").schools == world.schools
    assert "already has its 3 schools" in call(world, "roster", "sync", "eagle-usd").output
    world.faults({"kind": "html", "path": "schools$"})
    assert call(world, "roster", "sync", "eagle-usd").exit_code == 2
    assert load_roster(world.settings.roster).get("eagle-usd").schools == world.schools


def test_window_shows_the_reading_and_five_openings(world: World) -> None:
    world.write_roster(pull_window="Weekends only from 8:00 p.m. - 2:00 a.m.")
    result = call(world, "window", "eagle-usd", "--at", "2026-11-24T12:00")
    assert "read as  sat, sun 20:00 to 02:00 (America/Los_Angeles)" in result.output
    assert "Tue 2026-11-24 12:00 PST: closed" in result.output
    assert result.output.count("opens ") == 5
    assert "opens Sat 2026-11-28 20:00 PST, closes Sun 2026-11-29 02:00 PST" in result.output


def test_window_shows_a_sentence_a_week_and_the_months_exceptions(world: World) -> None:
    stated = [
        {"days": ["fri"], "opens": "20:00", "closes": "02:00"},
        {"never": {"holidays": "US-CA"}},
    ]
    world.write_roster(pull_window=stated)
    shown = call(world, "window", "eagle-usd", "--at", "2026-12-01T12:00").output
    assert "may be read Friday from 8 pm to 2 am the next day, but never on holidays" in shown
    assert "\nSat  ######......" in shown
    assert "Fri 2026-12-25  closed  (never on Christmas Day)" in shown
    assert shown.count("opens ") == 5
    refused = call(world, "window", "eagle-usd", "--accept")
    assert refused.exit_code == 2
    assert "structured form, which counts as it stands" in refused.stderr


def test_a_reading_is_accepted_and_corrected_by_command(world: World) -> None:
    world.write_roster(pull_window="Weekends only from 8:00 p.m. - 2:00 a.m.", paused=True)
    shown = call(world, "window", "eagle-usd")
    assert "nobody has accepted the reading of its pull window yet" in shown.output
    assert world.district.pull_window_accepted is None
    accepted = call(world, "window", "eagle-usd", "--accept")
    assert accepted.exit_code == 0, accepted.output
    assert "still paused" in accepted.output
    assert world.district.paused
    assert "nobody has accepted" not in call(world, "window", "eagle-usd").output
    # Without a terminal a correction is shown, and counts with --accept alone.
    only_shown = call(world, "window", "eagle-usd", "--as", "Saturdays 8pm - 2am")
    assert only_shown.exit_code == 1
    assert "nothing was changed" in only_shown.output
    assert str(world.district.windows) == "sat, sun 20:00 to 02:00"
    corrected = ("window", "eagle-usd", "--as", "Saturdays 8pm - 2am", "--accept", "--resume")
    assert call(world, *corrected).exit_code == 0
    assert str(world.district.windows) == "sat 20:00 to 02:00"
    assert world.district.pull_window == "Weekends only from 8:00 p.m. - 2:00 a.m."
    assert not world.district.paused
    assert world.district.reading.text == ""
    unread = call(world, "window", "eagle-usd", "--as", "after hours", "--accept")
    assert unread.exit_code == 2
    assert "in other words with --as" in unread.stderr
    # What was accepted is what refuses requests.
    world.write_roster(
        pull_window="any time",
        pull_window_accepted={
            "words": "any time",
            "windows": [{"days": ["mon"], "opens": "00:00", "closes": "00:01"}],
        },
        timezone="Pacific/Kiritimati",
    )
    assert "(mon 00:00 to 00:01) is closed" in call(world, "sync", "eagle-usd").stderr
    assert not world.emulator.log
    said = "this release reads its pull window differently"
    assert said in call(world, "status").output
    assert said in call(world, "check", "eagle-usd", "--outside-window", "a test").output


def test_roster_show_and_sql(world: World) -> None:
    assert "eagle-usd" in call(world, "roster", "show").output
    call(world, "sync", "eagle-usd", "--school", "994")
    result = call(world, "sql", "SELECT status, count(*) AS n FROM meta.pulls GROUP BY ALL")
    assert "complete" in result.output
    refused = call(world, "sql", "DELETE FROM meta.pulls")
    assert refused.exit_code == 2
    assert "read-only" in refused.stderr


def test_the_runs_are_in_the_instance_that_the_ui_opens(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(world, "sync", "eagle-usd", "--school", "994")
    monkeypatch.setenv("DAGSTER_HOME", str(world.settings.dagster_home))
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        run, *_ = sorted(instance.get_runs(), key=lambda one: one.job_name, reverse=True)
    assert run.tags["aeries/district"] == "eagle-usd"
    assert run.status is dg.DagsterRunStatus.SUCCESS


def test_sync_computes_accounts_and_writes_files(world: World) -> None:
    shown = call(world, "sync", "eagle-usd").output
    truth = world.site.district.truth()
    assert f"accounts: {len(truth)} created" in shown
    (manifest,) = world.settings.out.glob("eagle-usd/xello/*/manifest.json")
    assert f"files for Xello: written to {manifest.parent}" in shown
    again = call(world, "sync", "eagle-usd").output
    assert "accounts: no change" in again
    assert f"files for Xello: unchanged since {manifest.parent}" in again


def test_held_changes_are_reviewed_approved_and_rejected(world: World) -> None:
    world.write_roster(accounts={"leaving_rounds": 1})
    call(world, "sync", "eagle-usd")
    assert "nothing waits for a person" in call(world, "accounts", "review", "eagle-usd").output
    rows = [row for row in world.site.district.active() if row.school in {993, 994}]
    leavers = [
        *[r for r in rows if r.school == 993][:9],
        *[r for r in rows if r.school == 994][:12],
    ]
    for row in leavers:
        row.tag = "I"
    world.site.district.version += 1
    # Every other school's list must have been read after the one that says so.
    for _night in range(2):
        shown = call(world, "sync", "eagle-usd", "--accept-shrunken", "their classes went, too")
        assert shown.exit_code == 0, "what is held was computed as asked"
    assert "21 deactivate changes" in shown.output or "12 deactivate changes" in shown.output
    assert "aeries-pipeline accounts review eagle-usd" in shown.output
    review = call(world, "accounts", "review", "eagle-usd", "--students").output
    stream = io.StringIO()
    eyes = Console(file=stream, width=80, force_terminal=True, color_system=None)
    show_waiting(world.settings, "eagle-usd", eyes, with_students=True)
    assert max(map(len, stream.getvalue().splitlines())) <= 80
    for row in leavers:
        assert f"student {row.person.id} (inactive_status)" in review
        assert row.person.last not in review.split("Compare with")[1]
    words = [word.rstrip(",") for word in review.split()]
    batch = next(word for word in words if word.startswith("20") and word.count("-") == 1)
    missing = call(world, "accounts", "approve", "eagle-usd", batch)
    assert missing.exit_code == 2
    assert "--reason" in missing.output
    to_approve = ("accounts", "approve", "eagle-usd", batch, "--reason", "Osprey closed")
    approved = call(world, *to_approve, "--by", "Kim", "--school", "994")
    assert approved.exit_code == 0
    assert "12 held changes" in approved.output
    assert "approved by Kim; they are now 12 applied" in approved.output
    assert "accounts: 12 deactivated" in approved.output
    assert "files for Xello: written to" in approved.output
    rejected = call(
        world, "accounts", "reject", "eagle-usd", batch, "--reason", "wrong", "--by", "Lee"
    )
    assert "9 held changes" in rejected.output
    states = world.warehouse.rows(
        "SELECT school, count(*) FROM core.accounts WHERE state = 'inactive' GROUP BY 1"
    )
    assert states == [(994, 12)]
    trail = world.warehouse.rows(
        "SELECT decided_by, action, why, changes FROM meta.account_decisions ORDER BY decided_at"
    )
    assert trail == [("Kim", "approve", "Osprey closed", 12), ("Lee", "reject", "wrong", 9)]
    again = call(world, *to_approve)
    assert again.exit_code == 2
    assert "nothing of the kind is held" in again.output


def test_two_ids_of_one_child_are_shown_and_a_person_says_what_they_are(world: World) -> None:
    call(world, "sync", "eagle-usd")
    district = world.site.district
    rows = [row for row in district.active() if row.school == 994]
    for place, row in enumerate(rows[:2]):
        again = replace(row, person=replace(row.person, id=990001 + place))
        district.add_row(again)
    district.version += 1
    shown = call(world, "sync", "eagle-usd")
    assert shown.exit_code == 0, shown.output
    assert "99000" not in shown.output
    review = call(world, "accounts", "review", "eagle-usd").output
    for place, row in enumerate(rows[:2]):
        pair = f"student {990001 + place} at school 994, who waits for an account, and student "
        assert f"{pair}{row.person.id} at school 994: the same state id" in review
        assert row.person.last not in review
    closed, two = str(rows[0].person.id), str(rows[1].person.id)
    why = ("--reason", "asked the registrar", "--by", "Kim")
    same = call(world, "accounts", "same", "eagle-usd", closed, "990001", *why)
    assert same.exit_code == 0, same.output
    assert "the same child, says Kim; " in same.output
    assert f"{closed} is inactive at school 994" in same.output
    assert "990001 is active at school 994" in same.output
    different = call(world, "accounts", "different", "eagle-usd", two, "990002", *why)
    assert "two children, says Kim" in different.output
    assert "990002 is active at school 994" in different.output
    assert "nothing waits for a person" in call(world, "accounts", "review", "eagle-usd").output
    trail = world.warehouse.rows(
        "SELECT student_id, related_student_id, verdict, decided_by FROM meta.account_pairs "
        "ORDER BY decided_at"
    )
    assert trail == [
        (int(closed), 990001, "same", "Kim"),
        (int(two), 990002, "different", "Kim"),
    ]
    nobody = call(world, "accounts", "same", "eagle-usd", "5", "6", *why)
    assert nobody.exit_code == 2
    assert "both StudentIDs need an account" in nobody.output


def test_a_preview_shows_what_comes_next_as_a_table_and_a_chart(world: World) -> None:
    call(world, "sync", "eagle-usd")
    shown = call(world, "accounts", "preview", "eagle-usd")
    assert shown.exit_code == 0, shown.output
    assert "the next delivery to Xello has 0 account changes" in shown.output
    for path in world.settings.out.glob("eagle-usd/xello/*/manifest.json"):
        path.unlink()
    graded = "SELECT count(*) FROM core.accounts WHERE grade BETWEEN 0 AND 12"
    ((number,),) = world.warehouse.rows(graded)
    shown = call(world, "accounts", "preview", "eagle-usd")
    assert f"has {number} account changes; nothing was delivered yet" in shown.output
    assert "more than on any of the last 14 nights" in shown.output
    assert f"next   {'█' * 40} {number}" in shown.output
    unknown = call(world, "accounts", "preview", "falcon")
    assert unknown.exit_code == 2


def test_help_is_quick_and_loads_no_dagster() -> None:
    code = (
        "import sys\nfrom aeries_pipeline.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\nsys.exit('dagster' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_the_emulator_serves_in_a_process_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "aeries_pipeline.cli", "emulator", "--port", "18431"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert process.stdout is not None
        assert "http://127.0.0.1:18431/aeries" in process.stdout.readline()
        import requests
        from urllib3.util import Retry

        session = requests.Session()
        retry = Retry(total=20, connect=20, backoff_factor=0.1)
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
        url = "http://127.0.0.1:18431/aeries/api/v5/systeminfo"
        assert session.get(url, timeout=5).json()["DatabaseYear"] == "2026-2027"
        second = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert second.returncode == 1
        assert "port 18431 is in use" in second.stderr
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.long
def test_dagster_loads_the_clone_as_it_stands() -> None:
    repository = Path(__file__).parents[2]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AERIES", "DAGSTER"))}
    for command in (
        ["-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        ["-m", "dagster_dg_cli.cli", "check", "defs"],
    ):
        done = subprocess.run(
            [sys.executable, *command], cwd=repository, env=environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_workspace_file_names_the_code_location() -> None:
    repository = Path(__file__).parents[2]
    text = (repository / "workspace.yaml").read_text(encoding="utf-8")
    (entry,) = YAML(typ="safe").load(text)["load_from"]
    assert entry["python_module"]["module_name"] == "aeries_pipeline.definitions"
    assert json.dumps(entry)
