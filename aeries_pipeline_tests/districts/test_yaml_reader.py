"""What a roster says is the same for the quick reader and for ruamel.yaml, which writes it."""

import io
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from yaml import YAMLError

from aeries_pipeline.districts.yaml_reader import read_yaml
from aeries_pipeline.settings import DEMO_ROSTER

PLAIN = (
    "20:00", "9:00 PM", "10 pm - 4 am", "12:30:45", "0123", "08", "0o17", "0x1F", "+12", "-0", "00",
    "no", "yes", "on", "off", "y", "N", "True", "TRUE", "tRue", "false", "null", "~", "", "nULL",
    "1e3", "1.5", "1.", "-.5", "09.5", ".inf", "-.INF", ".", "+", "1e", "2026-01-02",
    "2026-1-2", "'no'", '"20:00"', "[1, 20:00, no]", "{a: 1, b: }", "!!str 12", "any time",
)  # fmt: skip
WORDS = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, categories="LNPSZ"), max_size=20
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS | st.floats(allow_nan=False) | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner),
    max_leaves=12,
)


def by_ruamel(text: str) -> object:
    return YAML(typ="safe", pure=True).load(text)


@pytest.mark.parametrize("word", PLAIN)
def test_a_plain_word_means_what_yaml_1_2_says(word: str) -> None:
    text = f"key: {word}\n"
    assert repr(read_yaml(text)) == repr(by_ruamel(text))


@given(VALUES)
def test_whatever_ruamel_writes_is_read_back(value: object) -> None:
    stream = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.dump({"key": value}, stream)
    assert repr(read_yaml(stream.getvalue())) == repr(by_ruamel(stream.getvalue()))


def test_anchors_comments_and_the_demo_are_read_alike() -> None:
    text = "base: &b {x: 1}  # a comment\none: {<<: *b, y: 2026-01-02}\nwords: >\n  two\n  lines\n"
    assert read_yaml(text) == by_ruamel(text)
    assert read_yaml(text)["one"] == {"x": 1, "y": date(2026, 1, 2)}
    demo = DEMO_ROSTER.read_text(encoding="utf-8")
    assert read_yaml(demo) == by_ruamel(demo)


@pytest.mark.parametrize(
    "text", ["a: 1\na: 2\n", "a: [1\n", "a: 'x\n", "\ta: 1\n", "a: !!python/object:os.x {}\n"]
)
def test_what_is_wrong_or_said_twice_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(YAMLError) as caught:
        read_yaml(text)
    assert getattr(caught.value, "problem_mark", None) is not None
