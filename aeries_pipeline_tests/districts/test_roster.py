from pathlib import Path

import pytest

from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import RosterError, load_roster
from aeries_pipeline.districts.roster_edit import with_schools
from aeries_pipeline.settings import DEMO_ROSTER, NoRosterError, load_settings

GOOD = """\
districts:
  # the pilot
  - id: eagle-usd
    name: Eagle
    url: https://demo.aeries.net/aeries.net/SecurityForAPI.aspx   # as copied
    certificate_env: EAGLE_CERT
    pull_window: "Weekends only from 8:00 p.m. - 2:00 a.m."
    schools: [990, 991]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "districts.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_roster_loads_with_defaults(tmp_path: Path) -> None:
    district = load_roster(written(tmp_path, GOOD)).get("eagle-usd")
    assert district.schools == [990, 991]
    assert district.timezone == "America/Los_Angeles"
    assert district.bounds.max_drop == 0.2


def test_the_bundled_demo_and_the_example_load() -> None:
    assert [one.id for one in load_roster(DEMO_ROSTER).districts] == [
        "eagle-usd",
        "osprey-uhsd",
        "heron-jusd",
    ]
    example = Path(__file__).parents[2] / "data" / "districts.example.yaml"
    assert load_roster(example).districts[0].id == "eagle-usd"


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("id: eagle-usd", "id: Eagle|USD", "Eagle|USD: id: use small letters"),
        ("    name: Eagle\n", "", "eagle-usd: name: is missing"),
        ("https://demo", "ftp://demo", "eagle-usd: url: the url is not an address"),
        ("certificate_env: EAGLE_CERT", "", "eagle-usd: give certificate_env or certificate_file"),
        ("[990, 991]", "[990, 990]", "eagle-usd: schools: listed twice: 990"),
        ("[990, 991]", "[0]", "eagle-usd: schools.0"),
        ("[990, 991]", "[999]", "eagle-usd: schools: 999 is the inactive_school"),
        (
            "name: Eagle\n",
            "name: Eagle\n    timezone: Pacific\n",
            "eagle-usd: timezone: not an IANA",
        ),
        ("name: Eagle\n", "name: Eagle\n    colour: red\n", "eagle-usd: colour: no such setting"),
        (
            "name: Eagle\n",
            "name: Eagle\n    resources: [meals]\n",
            "eagle-usd: resources: unknown: meals",
        ),
        (
            "Weekends only from 8:00 p.m. - 2:00 a.m.",
            "1-4",
            "eagle-usd: '1-4' can be read in 4 ways",
        ),
        ("districts:", "district:", "must hold a list named 'districts'"),
        ("  - id", " - - id", "not valid YAML"),
    ],
)
def test_each_mistake_is_named_with_district_and_field(
    tmp_path: Path, old: str, new: str, mistake: str
) -> None:
    assert old in GOOD
    with pytest.raises(RosterError) as caught:
        load_roster(written(tmp_path, GOOD.replace(old, new, 1)))
    assert mistake in str(caught.value)


def test_all_mistakes_are_listed_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("name: Eagle\n", "colour: red\n").replace("[990, 991]", "[0]")
    with pytest.raises(RosterError) as caught:
        load_roster(written(tmp_path, text))
    assert len(caught.value.mistakes) == 3


def test_a_certificate_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    secret = "477abe9e7d27439681d62f4e0de1f5e1"  # pragma: allowlist secret
    text = GOOD.replace("name: Eagle", f"name: Eagle\n    certificate: {secret}")
    with pytest.raises(RosterError, match="must not be in this file") as caught:
        load_roster(written(tmp_path, text))
    assert secret not in str(caught.value)


def test_a_missing_certificate_names_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EAGLE_CERT", raising=False)
    district = load_roster(written(tmp_path, GOOD)).get("eagle-usd")
    with pytest.raises(ConfigurationError, match="environment variable EAGLE_CERT"):
        district.certificate()


def test_a_certificate_file_is_found_beside_the_roster(tmp_path: Path) -> None:
    (tmp_path / "eagle.cert").write_text("abcdefgh\n", encoding="utf-8")
    text = GOOD.replace("certificate_env: EAGLE_CERT", "certificate_file: eagle.cert")
    assert (
        load_roster(written(tmp_path, text)).get("eagle-usd").certificate().reveal() == "abcdefgh"
    )


def test_times_and_dates_need_no_quotes_and_zeros_are_no_octal(tmp_path: Path) -> None:
    text = GOOD.replace(
        '"Weekends only from 8:00 p.m. - 2:00 a.m."', "[{days: [sat], opens: 20:00, closes: 02:00}]"
    ).replace("[990, 991]", "[0123]\n    blackout_dates: [2026-12-24]")
    district = load_roster(written(tmp_path, text)).get("eagle-usd")
    assert str(district.windows) == "sat 20:00 to 02:00; not on 2026-12-24"
    assert district.schools == [123]


def test_a_roster_that_changes_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert load_roster(path) is load_roster(path)
    written(tmp_path, GOOD.replace("[990, 991]", "[990, 991, 994]"))
    assert load_roster(path).get("eagle-usd").schools == [990, 991, 994]


def test_an_unknown_district_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"'falcon' is not in the roster \(it has: eagle-usd\)"
    ):
        load_roster(written(tmp_path, GOOD)).get("falcon")


def test_writing_schools_keeps_comments_and_order(tmp_path: Path) -> None:
    text = with_schools(GOOD, "eagle-usd", [994, 995])
    assert text == GOOD.replace("[990, 991]", "[994, 995]")
    assert load_roster(written(tmp_path, text)).get("eagle-usd").schools == [994, 995]


def test_without_any_roster_the_demo_loads_for_who_wants_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load_settings(or_demo=True).is_demo
    with pytest.raises(NoRosterError, match=r"no roster here .* add DISTRICT .* demo") as caught:
        load_settings()
    assert "is not read" not in str(caught.value)
    unread = tmp_path / "elsewhere" / "districts.yaml"
    unread.parent.mkdir()
    unread.write_text(GOOD, encoding="utf-8")
    monkeypatch.setenv("AERIES_DATA_DIR", str(unread.parent))
    with pytest.raises(NoRosterError, match=f"set AERIES_DISTRICTS={unread} to use it"):
        load_settings()
    monkeypatch.delenv("AERIES_DATA_DIR")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "districts.yaml").write_text(GOOD, encoding="utf-8")
    assert load_settings().roster == tmp_path / "data" / "districts.yaml"
    monkeypatch.setenv("AERIES_DISTRICTS", "/elsewhere.yaml")
    monkeypatch.setenv("AERIES_DATA_DIR", "/var/aeries")
    assert load_settings().roster == Path("/elsewhere.yaml")
    assert not load_settings().is_demo
    assert load_settings().published == Path("/var/aeries/published")
    # The command that opens the UI names the roster to the processes that it starts.
    monkeypatch.setenv("AERIES_DISTRICTS", str(DEMO_ROSTER))
    assert load_settings().is_demo
