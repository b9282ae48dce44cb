"""Reading YAML 1.2 with libyaml, about six times as fast as a reader in Python.

Each command and each process of a run reads the roster, which may have 600 districts.
libyaml reads version 1.1, in which ``20:00`` is a number of minutes, ``0123`` is octal
and ``no`` is false; so the meaning of plain words is defined here, as in version 1.2. A
test compares it with ruamel.yaml, which writes the roster.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_MEANINGS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "int": (r"[-+]?(?:0o[0-7]+|0x[0-9a-fA-F]+|[0-9]+)", "-+0123456789"),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)"
        r"|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
    "timestamp": (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "0123456789"),
    "merge": (r"<<", "<"),
}


class _Reader(yaml.CSafeLoader):
    """Plain words of version 1.2, and no key twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        seen = set()
        for key, _value in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)

    def _int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        sign = -1 if text.startswith("-") else 1
        digits = text.lstrip("+-")
        base = {"0o": 8, "0x": 16}.get(digits[:2], 10)
        return sign * int(digits, base)


for _name, (_pattern, _first) in _MEANINGS.items():
    _Reader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), list(_first))
_Reader.add_constructor(_TAG + "int", _Reader._int)  # noqa: SLF001


def read_yaml(text: str) -> Any:  # noqa: ANN401 - whatever the text holds
    """Return what a YAML 1.2 text says.

    Raises:
        yaml.YAMLError: If it is no YAML, or names a key twice.
    """
    return yaml.load(text, Loader=_Reader)  # noqa: S506 - a safe loader
