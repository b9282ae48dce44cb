"""Separates the elements of a list that are not valid JSON; the others stay as they came.

A row with NaN for a number, half a character, a control character or thousands
of levels spoils only itself. This module finds those rows; the stores decide what
becomes of them. If a list cannot be cut into objects with certainty, nothing is
separated, and the whole response is refused.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

from aeries_pipeline.ingest.api.answers import CLOSED_BY, TOKEN, Row
from aeries_pipeline.stores.tables import Unreadable

_LEVELS = 100
"""What lies deeper in an element that cannot be read is kept as text."""

_HALF = re.compile("[\ud800-\udfff]")

Parts = tuple[bytes, list[Row], tuple[Unreadable, ...]]


def take_apart(body: bytes) -> Parts | None:
    """Return a list of the readable elements, these as rows, and the other elements.

    Args:
        body: A list that is no valid JSON, without a byte-order mark.

    Returns:
        None if it is not certain where each element begins and ends, or what is
        wrong with one.
    """
    elements = _elements(body.strip())
    if elements is None:
        return None
    good: list[bytes] = []
    rows: list[Row] = []
    bad: list[Unreadable] = []
    for element in elements:
        try:
            rows.append(orjson.loads(element))
            good.append(element)
        except orjson.JSONDecodeError:
            found = _unreadable(element)
            if found is None:
                return None
            bad.append(found)
    return b"[" + b",".join(good) + b"]", rows, tuple(bad)


def _elements(text: bytes) -> list[bytes] | None:
    """Cut a list of objects at the commas between them."""
    if text[:1] != b"[":
        return None
    found: list[bytes] = []
    opened: list[bytes] = []
    start = end = 1
    for token in TOKEN.finditer(text):
        sign = token[0]
        if sign in CLOSED_BY:
            opened.append(CLOSED_BY[sign])
            if len(opened) == 2:
                start = token.start()
                if sign != b"{" or text[end:start].strip() != (b"," if found else b""):
                    return None
        elif sign in {b"]", b"}"}:
            if not opened or opened.pop() != sign:
                return None
            if len(opened) == 1:
                end = token.end()
                found.append(text[start:end])
        elif sign == b'"' or len(opened) < 2:
            return None
    return found if not opened and text[end:].strip() == b"]" else None


def _unreadable(element: bytes) -> Unreadable | None:
    """Return an element with what is not valid in it as text; None if it cannot be told."""
    reasons: list[str] = []
    flat = _without_depths(element)
    if flat != element:
        reasons.append("more than 1,000 levels")

    def no_number(text: str) -> str:
        reasons.append("NaN or infinity for a number")
        return text

    def number(text: str) -> float | str:
        found = float(text)
        return found if math.isfinite(found) else no_number(text)

    try:
        row: Any = json.loads(
            flat.decode(), strict=False, parse_constant=no_number, parse_float=number
        )
        record = json.dumps(row, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    if _HALF.search(record):
        reasons.append("half a character")
        record = _HALF.sub(lambda half: f"\\\\u{ord(half[0]):04x}", record)
    why = ", ".join(dict.fromkeys(reasons)) or "a control character in a text"
    return Unreadable(f"the row is not valid JSON: {why}", record)


def _without_depths(element: bytes) -> bytes:
    """Return an element with the brackets that lie too deep as texts."""
    depth = start = end = 0
    pieces: list[bytes] = []
    for token in TOKEN.finditer(element):
        if token[0] in CLOSED_BY:
            depth += 1
            if depth == _LEVELS + 1:
                start = token.start()
        elif token[0] in {b"]", b"}"}:
            depth -= 1
            if depth == _LEVELS:
                text = element[start : token.end()].decode("utf-8", "replace")
                pieces += [element[end:start], json.dumps(text).encode()]
                end = token.end()
    return b"".join([*pieces, element[end:]])
