"""Whatever somebody writes for a setting, the roster answers in its own words."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from aeries_pipeline.districts.roster import District, Roster, RosterError, read_roster
from aeries_pipeline.districts.settled import Settled
from aeries_pipeline.districts.share import ShareSettings, unknown_schools

GOOD = {
    "id": "eagle-usd",
    "name": "Eagle",
    "url": "https://demo.aeries.net/aeries.net/SecurityForAPI.aspx",
    "certificate_env": "EAGLE_CERT",
    "schools": [990, 991],
}
FOREIGN = (
    "input should", "valid dictionary", "valid string", "valid list", "valid integer", "_type",
    "instance of", "pydantic", "tuple should", "list should", "field required", "str.", "list[",
    "validation error", "[type=",
)  # fmt: skip

WRONG = (True, 3, -7.5, "x", "", [], ["x"], [None], [[1]], [{}], {}, {"a": 1}, {"1": []})

Steps = tuple[tuple[str, dict[str, Any]], ...]
"""Names from the top down to a setting, each with what has to stand beside the next one."""


def models_in(annotation: Any) -> Iterator[tuple[type[BaseModel], Any]]:
    """Yield the models that a setting may hold, and whether in a list or by name."""
    if isinstance(annotation, type) and issubclass(annotation, Settled):
        yield annotation, None
    for part in get_args(annotation):
        for model, held in models_in(part):
            origin = get_origin(annotation)
            yield model, origin if origin in {list, dict} else held


def tag_of(model: type[BaseModel]) -> dict[str, Any]:
    return {
        name: get_args(field.annotation)[0]
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) is Literal and field.is_required()
    }


def places(model: type[BaseModel], before: Steps = ()) -> Iterator[Steps]:
    for name, field in model.model_fields.items():
        here = (*before, (name, tag_of(model)))
        yield here
        for inner, held in models_in(field.annotation):
            if inner is District:
                continue
            wrapped = {dict: (("RecordsReleaseCode", {}),), list: (("-", {}),)}.get(held, ())
            yield from places(inner, (*here, *wrapped))


def put(steps: Steps, value: Any) -> Any:
    for name, beside in reversed(steps):
        value = [value] if name == "-" else {**beside, name: value}
    return value


OF_A_DISTRICT = list(places(District))
TOGETHER = [steps for steps in places(Roster) if steps[0][0] != "districts"]


def sentences(steps: Steps, values: list[Any]) -> list[str]:
    """Return what is said of values at one place, each in a roster of its own kind."""
    if steps in TOGETHER:
        rosters: list[Any] = [{"districts": [GOOD], **put(steps, one)} for one in values]
    else:
        entries = [GOOD | put(steps, one) for one in values]
        named = [one | {"id": f"d{n}"} if steps[0][0] != "id" else one for n, one in
                 enumerate(entries)]  # fmt: skip
        rosters = [{"districts": named}]
    said = []
    for roster in rosters:
        try:
            read_roster(json.dumps(roster), Path("districts.yaml"))
        except RosterError as error:
            said += error.mistakes
    return said


def test_every_setting_answers_what_it_is_not_in_words_of_our_own() -> None:
    assert len(OF_A_DISTRICT) > 100
    assert (("notifications", {}), ("-", {}), ("to", {"kind": "email"})) in TOGETHER
    said = {
        sentence
        for steps in (*OF_A_DISTRICT, *TOGETHER)
        for sentence in sentences(steps, list(WRONG))
    }
    assert len(said) > 300
    foreign = [one for one in said if any(word in one.lower() for word in FOREIGN)]
    assert foreign == []
    # What nobody has found words for has none of this kind.
    assert [one for one in said if one.endswith("cannot be read as it stands")] == []


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=60)
@given(st.sampled_from([*OF_A_DISTRICT, *TOGETHER]), st.lists(values, min_size=1, max_size=5))
def test_no_value_brings_foreign_words_or_another_error(steps: Steps, found: list[Any]) -> None:
    for sentence in sentences(steps, found):
        assert not any(word in sentence.lower() for word in FOREIGN)


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("share", "yes", "share: write its settings below it, each with its name"),
        (
            "share",
            {"fields": {"RecordsReleaseCode": {"never": "N"}}},
            "share.fields.RecordsReleaseCode.never: write a list, in brackets or with a hyphen "
            "before each entry",
        ),
        ("share", {"schools": []}, "share.schools: is empty, so it could mean everybody or nobody"),
        ("share", {"grades": []}, "share.grades: is empty, so it could mean everybody or nobody"),
        ("share", {"grades": None}, "share.grades: is empty, so it could mean everybody or nobody"),
        ("share", {"opted_out": ""}, "share.opted_out: is empty, so it could mean everybody"),
        ("share", {"fields": {}}, "share.fields: is empty, so it could mean everybody or nobody"),
        ("share", {"published": False}, "share: leaves nobody out; give schools, grades,"),
        ("share", {"grades": [9]}, "share.grades: give the lowest and the highest, such as"),
        ("accounts", {"delivered_grades": [12, 6]}, "accounts.delivered_grades: give the lowest"),
        ("paused", "perhaps", "paused: write true or false"),
        ("schools", [990, "x"], "schools.1: write a whole number"),
        ("stale_after_days", 0, "stale_after_days: has to be more than 0"),
        ("pull_window", 5, "pull_window: write text or a list, in brackets or with a hyphen"),
        ("pull_window", [5], "pull_window.0: write its settings below it, each with its name"),
        ("analysts", {"access": "all"}, "analysts.access: choose from rows, counts or none"),
        ("blackout_dates", ["soon"], "blackout_dates.0: write a date such as 2026-12-24"),
    ],
)
def test_a_mistake_says_what_to_write(setting: str, value: Any, sentence: str) -> None:
    with pytest.raises(RosterError) as caught:
        read_roster(json.dumps({"districts": [GOOD | {setting: value}]}), Path("districts.yaml"))
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(f"eagle-usd: {sentence}")


@pytest.mark.parametrize(
    ("schools", "known", "says"),
    [
        ([990, 991], [990, 991, 994], ""),
        ([99], [990], "share names school 99, which is not in the roster, so nobody there is"),
        ([1, 99, 990], [990], "share names schools 1, 99, which are not in the roster"),
        ([99], [], ""),
    ],
)
def test_a_shared_school_that_is_none_of_the_districts_is_named(
    schools: list[int], known: list[int], says: str
) -> None:
    found = unknown_schools(ShareSettings(schools=schools), known, "in the roster")
    assert found.startswith(says)
    assert bool(found) == bool(says)
