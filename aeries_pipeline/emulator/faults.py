"""Faults that an emulated server is told to have.

A fault names the requests it applies to and what happens to them. The file given to
``--faults`` is YAML: a list under ``faults``.
"""

from __future__ import annotations

import re
import threading
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from aeries_pipeline.words import mistakes_of


class FaultKind(StrEnum):
    """What happens to a request."""

    LATENCY = "latency"
    STATUS = "status"
    RESET = "reset"
    CUT = "cut"
    TRUNCATED = "truncated"
    DRIP = "drip"
    HTML = "html"
    REDIRECT = "redirect"
    MESSAGE = "message"
    EMPTY_BODY = "empty_body"
    WRONG_YEAR = "wrong_year"
    EMPTY = "empty"
    HALF = "half"
    REPEAT = "repeat"
    NOT_JSON = "not_json"
    DROP_FIELD = "drop_field"
    ADD_FIELD = "add_field"
    BAD_VALUE = "bad_value"
    WINDOWS_LOGIN = "windows_login"


class Fault(BaseModel):
    """One fault.

    Attributes:
        kind: What happens.
        path: Regular expression that the path below the site must match.
        method: HTTP method that the request must have; None for any.
        times: Requests struck before the fault is over; None for all.
        after: Matching requests let through first.
        status: Status of a ``status`` fault.
        retry_after: Value of the Retry-After header; ``date+N`` for an HTTP
            date N seconds ahead.
        seconds: Delay of ``latency``; pause between pieces of ``drip``.
        field: Property that ``drop_field``, ``add_field`` and ``bad_value`` touch.
        share: Share of the rows that ``bad_value`` strikes.
        text: What ``bad_value`` puts there as it stands, valid JSON or not.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    path: str = ".*"
    method: str | None = None
    times: int | None = Field(None, ge=1)
    after: int = Field(0, ge=0)
    status: int = Field(500, ge=400, le=599)
    retry_after: str | None = None
    seconds: float = Field(0.2, ge=0)
    field: str = "Grade"
    share: float = Field(1.0, gt=0, le=1)
    text: str | None = None

    _seen: int = PrivateAttr(default=0)

    @field_validator("path")
    @classmethod
    def _is_a_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value

    def strikes(self, path: str, method: str = "GET") -> bool:
        """Tell whether this request is struck, and count it."""
        if self.method not in {None, method} or not re.search(self.path, path, re.IGNORECASE):
            return False
        self._seen += 1
        if self._seen <= self.after:
            return False
        return self.times is None or self._seen <= self.after + self.times


class FaultPlan:
    """The faults of a server, in order; the first that strikes counts."""

    def __init__(self, faults: list[Fault] | None = None) -> None:
        """Start with these faults."""
        self._faults = list(faults or [])
        self._lock = threading.Lock()

    def replace(self, faults: list[Fault]) -> None:
        """Forget all faults and take these."""
        with self._lock:
            self._faults = list(faults)

    def strike(self, path: str, method: str = "GET") -> list[Fault]:
        """Return the faults that strike a request: latencies, then one other."""
        with self._lock:
            found: list[Fault] = []
            for fault in self._faults:
                if fault.strikes(path, method):
                    found.append(fault)
                    if fault.kind is not FaultKind.LATENCY:
                        break
            return found


def load_faults(path: Path) -> list[Fault]:
    """Read a fault file.

    Raises:
        ValueError: With one sentence, if it cannot be used.
    """
    try:
        data = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        return faults_of((data or {}).get("faults") or [])
    except (OSError, UnicodeDecodeError, YAMLError, AttributeError) as error:
        raise ValueError(f"the fault file {path} cannot be read: {type(error).__name__}") from None
    except ValueError as error:
        raise ValueError(f"the fault file {path}: {error}") from None


def faults_of(entries: object) -> list[Fault]:
    """Return the faults of a list of settings.

    Raises:
        ValueError: With one sentence that names the fault and the setting.
    """
    if not isinstance(entries, list):
        raise ValueError("faults stand in a list, each with its kind")  # noqa: TRY004
    found = []
    for place, entry in enumerate(entries, start=1):
        try:
            found.append(Fault.model_validate(entry))
        except ValidationError as error:
            raise ValueError(f"fault {place}: {'; '.join(mistakes_of(error))}") from None
    return found
