"""A list with elements that are no valid JSON is taken apart, or not touched at all."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.ingest.api.apart import take_apart

_DEEP = b"[" * 2000 + b"]" * 2000
BAD = [b"NaN", b"-Infinity", b"1e999", rb'"\udc00"', b'"a\x00b"', _DEEP]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
ROWS = st.dictionaries(st.text(max_size=4), VALUES, max_size=4)


@given(
    rows=st.lists(ROWS, max_size=6),
    bad=st.lists(st.tuples(st.integers(0, 6), st.sampled_from(BAD)), min_size=1, max_size=3),
    space=st.sampled_from([b"", b" ", b"\r\n\t"]),
)
def test_every_element_is_read_or_told_apart(rows: list, bad: list, space: bytes) -> None:
    texts = [json.dumps(row).encode() for row in rows]
    for number, (place, value) in enumerate(bad):
        texts.insert(place, b'{"a":"}],[{","StudentID":%d,"b":%s}' % (number, value))
    parts = take_apart(space + b"[" + (space + b"," + space).join(texts) + space + b"]" + space)
    assert parts is not None
    body, read, unreadable = parts
    assert read == rows == orjson.loads(body)
    records = [orjson.loads(one.record) for one in unreadable]
    assert {one["StudentID"] for one in records} == set(range(len(bad)))
    assert {one["a"] for one in records} == {"}],[{"}
    assert all(one["b"] for one in records)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":NaN}',
        b'[{"a":NaN},{"b":1}',
        b'[{"a":NaN}] []',
        b'[{"a":NaN},,{"b":1}]',
        b'[{"a":NaN},]',
        b'[{"a":NaN},1]',
        b'[{"a":NaN} {"b":1}]',
        b'[{"a":NaN},"x"]',
        b'[{"a":1,}]',
        b'[{"a":01}]',
        rb'[{"a":"\q"}]',
        b'[{"a":NaN],{"b":1}}',
        b'[{"a":NaN,"b":"\xf1"}]',
    ],
)
def test_what_cannot_be_cut_for_certain_is_not_taken_apart(body: bytes) -> None:
    assert take_apart(body) is None
