"""A first load that cannot be right is a question, and nothing else is held by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aeries_pipeline.accounts.first_load import REQUIRED
from aeries_pipeline.accounts.review import Wish, say
from aeries_pipeline_tests.accounts.builders import Ward
from aeries_pipeline_tests.accounts.test_compute import many


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def hidden(number: int = 201, **values: Any) -> list[dict[str, Any]]:
    return [*many(1001, number, 991, **values), *many(1, 30, 992)]


def test_a_first_load_without_a_status_code_waits_and_the_other_schools_do_not(ward: Ward) -> None:
    computed = ward.night(0, hidden())
    assert (computed.applied, computed.held) == ({"create": 30}, {"create": 201})
    reason = computed.open_holds[0].reason
    assert "of the 201 rows of school 991 in its first load not one is with a status code" in reason
    again = ward.night(1, hidden())
    assert (again.applied, again.held, again.rejected) == ({}, {}, 0)
    say(ward.warehouse, "eagle-usd", Wish(computed.batch_id, "approve", "Kim", "a new school"))
    assert ward.compute().applied == {"create": 201}
    later = ward.night(2, [*hidden(), *many(1300, 1)])
    assert (later.applied, later.held) == ({"create": 1}, {}), "that is no first load any more"


def test_once_the_codes_can_be_read_who_is_there_gets_an_account(ward: Ward) -> None:
    ward.roster["schools"] = [991]
    assert ward.night(0, many(1001, 201)).held == {"create": 201}
    mended = [*many(1001, 150), *many(1151, 51, InactiveStatusCode="I")]
    computed = ward.night(1, mended)
    assert (computed.applied, computed.rejected) == ({"create": 150}, 51)
    assert computed.open_holds == []


@pytest.mark.parametrize("rows", [
    hidden(200),
    [*hidden(200), *many(1201, 1, InactiveStatusCode="I")],
    [*hidden(300), *many(1301, 1, InactiveStatusCode="*")],
])  # fmt: skip
def test_a_small_school_and_one_with_a_code_are_believed(ward: Ward, rows) -> None:
    assert ward.night(0, rows).held == {}


@pytest.mark.parametrize("blank", [None, ""])
@pytest.mark.parametrize("field", REQUIRED)
def test_a_first_load_without_a_required_value_waits(ward: Ward, field: str, blank) -> None:
    if field == "Grade":
        blank = None
    computed = ward.night(0, hidden(5, **{field: blank}))
    assert (computed.applied, computed.held) == ({"create": 30}, {"create": 5})
    assert f"not one is with a {REQUIRED[field]}" in computed.open_holds[0].reason
    one_has_it = [*hidden(4, **{field: blank}), *many(1005, 1)]
    assert ward.night(1, one_has_it).applied == {"create": 5}
