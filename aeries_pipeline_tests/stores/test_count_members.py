"""What an answer holds is counted as a reader of each value would count it."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.stores import count_members
from aeries_pipeline.stores.count_members import Members, members_of

NAMES = ("StudentID", "Mark", "DateOfCompletion", "é", "SQ", "")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x", "a,b", "é", "n:"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)


def counted(value: Any) -> Members:
    """Count by looking at everything."""
    if isinstance(value, list):
        return sum(map(counted, value), Members())
    if not isinstance(value, dict):
        return Members()
    found = Members()
    for one in value.values():
        found += Members(int(one is not None), int(isinstance(one, bool)), int(one is None))
        found += counted(one)
    return found


@given(st.lists(VALUES), st.integers(1, 40))
def test_members_are_counted_as_by_looking_at_each(values: list[Any], piece: int) -> None:
    body = orjson.dumps(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(count_members, "_PIECE", piece)
        assert members_of(body, NAMES) == counted(values)


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a": 1}]',
        b'[{"a":\n1}]',
        b'[{"a\\\\":1}]',
        b'[{"a":"say \\"b\\":1"}]',
    ],
)
def test_what_cannot_be_told_is_left_to_others(body: bytes) -> None:
    orjson.loads(body)
    assert members_of(body, ["a"]) is None


@pytest.mark.parametrize("text", [":", ":n", ":true"])
def test_a_text_that_begins_with_a_colon_is_too_many_and_never_too_few(text: str) -> None:
    found = members_of(orjson.dumps([{"a": 1, "b": text}]), ["a", "b"])
    assert found is None or found.values + found.nulls == 3


@pytest.mark.parametrize("known", [["New"], ["SomethingNew"], ["a", "SomethingNew"]])
@pytest.mark.parametrize("unknown", ["News", "ANew", "SomethingOld", "Something"])
def test_a_property_without_a_value_that_nobody_presumed_is_noticed(
    known: list[str], unknown: str
) -> None:
    body = orjson.dumps([dict.fromkeys(known), {**dict.fromkeys(known), unknown: None}])
    assert members_of(body, known) is None
    assert members_of(body, [*known, unknown]) is not None
    assert members_of(orjson.dumps([{unknown: 1}]), known) == Members(values=1)
