"""Elements that nobody parsed are those that a parse would have found."""

from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aeries_pipeline.districts.errors import AeriesError
from aeries_pipeline.ingest.api.answer import Answer, Seen, digest_of
from aeries_pipeline.ingest.api.answers import rows_of
from aeries_pipeline.ingest.api.elements import ABSENT, NOTHING, Wanted, elements_of

KEY = Wanted(("StudentID", "SchoolCode"))
VALUES = st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["", "é", "a\\", [], {}])
ROWS = st.lists(
    st.dictionaries(st.sampled_from(["StudentID", "SchoolCode", "Grade"]), VALUES), max_size=4
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A list of objects, of which a few bytes may be others, or the end missing."""
    body = bytearray(orjson.dumps(draw(ROWS)))
    for _ in range(draw(st.integers(0, 2))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.sampled_from(b'"{}[]:,\\n0\xff\x01 t'))
    return bytes(body[: draw(st.integers(1, len(body)))] if draw(st.booleans()) else body)


@given(damaged())
@example(b'[{"Grade":"\xff"}]')
@example(b'[{"\xff":1}]')
@example(b"[null]")
@example(b'{"StudentID":1}')
@example(b'[{"StudentID":1}]]')
def test_what_is_understood_is_what_a_parse_understands(body: bytes) -> None:
    elements = elements_of(body, KEY)
    try:
        rows = rows_of(body, "application/json", "a list")
    except AeriesError:
        assert elements is None
        return
    if elements is None:
        # A single object counts as a list of one, where it is parsed.
        assert not isinstance(orjson.loads(body), list)
        return
    assert len(elements) == len(rows)
    ids = [row.get("StudentID", ABSENT) for row in rows]
    assert elements.column("StudentID") == ids


@given(ROWS)
def test_keys_are_those_of_a_parse(rows: list[dict[str, Any]]) -> None:
    body = orjson.dumps(rows)
    seen = Seen(digest_of(body), len(rows))
    quick = Answer(body, seen=seen, wanted=KEY, elements=elements_of(body, KEY))
    slow = Answer(body, rows, seen)
    for names in (KEY.names, ("SchoolCode",), (), ("Grade",)):
        assert quick.keys(names) == slow.keys(names)


def test_an_array_is_counted_and_not_read() -> None:
    body = b'[{"A":[{"x":1},{}]},{"A":null},{}]'
    found = elements_of(body, Wanted((), ("A",)))
    assert found is not None
    arrays = found.column("A")
    assert len(arrays[0]) == 2
    assert arrays[1:] == [None, ABSENT]


@pytest.mark.parametrize("body", [b'[{"A":[1]}]', b'[{"A":{}}]', b'[{"A":[null]}]'])
def test_an_array_of_anything_but_objects_is_not_understood(body: bytes) -> None:
    assert elements_of(body, Wanted((), ("A",))) is None
    assert elements_of(body) is not None


def test_a_closed_list_knows_no_other_property() -> None:
    assert elements_of(b'[{"A":1,"B":2}]', Wanted(("A",), (), closed=True)) is None
    assert elements_of(b'[{"A":1}]', Wanted(("A",), (), closed=True)) is not None
    assert Wanted() == NOTHING
