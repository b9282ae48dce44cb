"""How mistakes in a file of settings, and numbers of things, are put in words.

Plain functions that every room may use; sentences about one subject are where
the subject is. No sentence repeats a value that somebody wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from yaml import YAMLError

_LIST = "write a list, in brackets or with a hyphen before each entry"
_SETTINGS = "write its settings below it, each with its name"
_PLAIN = {
    "extra_forbidden": "no such setting",
    "missing": "is missing",
    "string_type": "write text",
    "string_sub_type": "write text",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _SETTINGS,
    "mapping_type": _SETTINGS,
    "model_type": _SETTINGS,
    "model_attributes_type": _SETTINGS,
    "invalid_key": "a setting's name has to be text",
    "finite_number": "write a number",
}
_BY_KIND = {
    "int": "write a whole number",
    "float": "write a number",
    "bool": "write true or false",
    "date": "write a date such as 2026-12-24",
    "time": 'write a time of day such as "20:00"',
}
_BY_NUMBER: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda told: f"has to be more than {told['gt']:g}",
    "greater_than_equal": lambda told: f"has to be at least {told['ge']:g}",
    "less_than": lambda told: f"has to be less than {told['lt']:g}",
    "less_than_equal": lambda told: f"has to be at most {told['le']:g}",
    "too_short": lambda told: _too_short(told["min_length"], "entry", "entries"),
    "too_long": lambda told: f"takes {counted(told['max_length'], 'entry', 'entries')} at most",
    "string_too_short": lambda told: _too_short(told["min_length"], "character", "characters"),
}
_UNION = ("str", "list[")
"""How pydantic marks a setting that may be text or a list: not as a person wrote it."""


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number of things, such as ``1 district`` and ``2,400 districts``.

    Args:
        number: How many.
        one: What one of them is called.
        many: What several are called, where that is not the same with an s.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def doing(number: int, one: str, does: str, do: str) -> str:
    """Return a number of things with their verb, such as ``1 district is``, ``3 files wait``."""
    return f"{counted(number, one)} {verb(number, does, do)}"


def verb(number: float, one: str, many: str) -> str:
    """Return the form of a verb that goes with a number of things."""
    return one if number == 1 else many


def named(one: str, names: Iterable[object]) -> str:
    """Return things with their names, such as ``school 990`` and ``schools 990, 991``."""
    listed = [str(name) for name in names]
    return f"{one if len(listed) == 1 else f'{one}s'} {', '.join(listed)}"


def problem_of(error: YAMLError) -> str:
    """Return what YAML could not read."""
    return str(getattr(error, "problem", None) or type(error).__name__)


def mistakes_of(error: ValidationError) -> list[str]:
    """Return what is wrong, as one sentence for each setting.

    Neither the value nor pydantic's own words are in it. A setting that may be
    text or a list, and is neither, is one mistake.
    """
    found: dict[str, list[str]] = {}
    for one in error.errors(include_url=False, include_input=False):
        field, message = _mistake_of(one)
        said = found.setdefault(field, [])
        if message not in said:
            said.append(message)
    # Where an entry of a list is wrong, a list it is: that text would do too says nothing.
    inside = {field.rpartition(".")[0] for field in found if field.rpartition(".")[2].isdecimal()}
    return [
        f"{field}: {_joined(said)}" if field else _joined(said)
        for field, said in found.items()
        if field not in inside or said != [_PLAIN["string_type"]]
    ]


def _too_short(least: int, one: str, many: str) -> str:
    return "is empty" if least == 1 else f"needs {counted(least, one, many)} or more"


def _joined(said: list[str]) -> str:
    alternatives = [one for one in said if one.startswith("write ")]
    others = [one for one in said if one not in alternatives]
    return "; ".join([*others, *([" or ".join(alternatives)] if alternatives else [])]).replace(
        " or write ", " or "
    )


def _mistake_of(error: Any) -> tuple[str, str]:  # noqa: ANN401 - pydantic's ErrorDetails
    """Return one of pydantic's errors as the setting and what is wrong with it."""
    kind, told = str(error["type"]), error.get("ctx", {})
    place = [str(part) for part in error["loc"]]
    places = [part for part in place if part != "[key]" and not _is_of_union(part)]
    field = ".".join(places)
    if kind in {"union_tag_not_found", "union_tag_invalid"}:
        name = told["discriminator"].strip("'")
        field = f"{field}.{name}" if field else name
        message = "is missing" if kind == "union_tag_not_found" else "is not known"
        tags = told.get("expected_tags")
        return field, message + (f"; choose from {tags.replace(chr(39), '')}" if tags else "")
    if kind == "value_error":
        return field, str(error["msg"]).removeprefix("Value error, ")
    if kind in {"literal_error", "enum"}:
        return field, f"choose from {told['expected'].replace(chr(39), '')}"
    if kind in _BY_NUMBER:
        return field, _BY_NUMBER[kind](told)
    plain = _PLAIN.get(kind) or _BY_KIND.get(kind.partition("_")[0])
    return field, plain or "cannot be read as it stands"


def _is_of_union(part: str) -> bool:
    return part == _UNION[0] or part.startswith(_UNION[1])
