"""JSON exactly as Aeries writes it: order of properties, null or blank, digits.

Each file in ``templates/`` holds one element with neutral values. A template
is compiled for the properties that vary, so that a million transcript lines
can be written in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "templates"


class Raw(str):
    """JSON text that is written as it stands."""

    __slots__ = ()


def _text(value: str) -> str:
    if '"' in value or "\\" in value or not value.isprintable():
        return json.dumps(value, ensure_ascii=False)
    return f'"{value}"'


_ENCODERS: dict[type, Callable[[Any], str]] = {
    Raw: str,
    str: _text,
    int: str,
    bool: lambda value: "true" if value else "false",
    float: lambda value: f"{value:.4f}",
    date: lambda value: f'"{value.isoformat()}T00:00:00"',
    datetime: lambda value: f'"{value:%Y-%m-%dT%H:%M:%S}"',
    type(None): lambda _value: "null",
    list: lambda value: f"[{','.join(map(encode, value))}]",
    dict: lambda value: (
        f"{{{','.join(f'{json.dumps(name)}:{encode(one)}' for name, one in value.items())}}}"
    ),
}


def encode(value: Any) -> str:  # noqa: ANN401 - a JSON value is any of these
    """Return the JSON text of a value in Aeries' spelling."""
    encoder = _ENCODERS.get(type(value))
    return encoder(value) if encoder else json.dumps(value, ensure_ascii=False)


@cache
def defaults(name: str, inner: str | None = None) -> Mapping[str, Any]:
    """Return the neutral values of a template, or of its first inner element."""
    text = (_FOLDER / f"{name}.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text, parse_float=Raw)
    return data[inner][0] if inner else data


class Template:
    """One element with a fixed shape and a few properties that vary.

    Args:
        name: Name of the template file.
        varying: Properties given at each rendering, in the order of the call.
        inner: Name of the array whose element is meant.
        fixed: Other values for properties that do not vary.
    """

    def __init__(
        self,
        name: str,
        varying: Sequence[str],
        *,
        inner: str | None = None,
        fixed: Mapping[str, Any] | None = None,
    ) -> None:
        """Compile the shape to one format string."""
        values = {**defaults(name, inner), **(fixed or {})}
        unknown = set(varying) - set(values)
        if unknown:
            raise KeyError(f"template {name} has no {sorted(unknown)}")
        pieces = []
        self._order: list[int] = []
        for key, value in values.items():
            if key in varying:
                pieces.append(f"{json.dumps(key)}:%s")
                self._order.append(varying.index(key))
            else:
                default = [] if isinstance(value, list) else value
                pieces.append(f"{json.dumps(key)}:{encode(default)}".replace("%", "%%"))
        self._format = "{" + ",".join(pieces) + "}"

    def __call__(self, *values: Any) -> str:  # noqa: ANN401
        """Return the JSON of one element."""
        encoded = [encode(value) for value in values]
        return self._format % tuple(encoded[place] for place in self._order)

    def raw(self, values: Sequence[str]) -> str:
        """Return the JSON of one element from texts that are JSON already."""
        return self._format % tuple(values[place] for place in self._order)


def array(elements: Sequence[str]) -> Raw:
    """Return a JSON array of elements that are JSON already."""
    return Raw(f"[{','.join(elements)}]")
