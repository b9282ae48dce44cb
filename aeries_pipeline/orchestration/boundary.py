"""What leaves our code through an exception: its type and its place, never its text.

A text may quote a student's value: pandera quotes rows, DuckDB the value it cannot cast,
a ``KeyError`` its key. Dagster stores what an op or a sensor raises in its event log and
shows it in the UI. What we know of is a sentence of our own (``dg.Failure``); everything
else passes here.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from aeries_pipeline.stores.diagnose import was_interrupted

P = ParamSpec("P")
R = TypeVar("R")
_PACKAGE = Path(__file__).parents[1]


class UnforeseenError(Exception):
    """Something that nobody foresaw; the message says which kind and where."""


def without_values(function: Callable[P, R]) -> Callable[P, R]:
    """Let an op's or a sensor's function raise nothing that quotes a value.

    Args:
        function: A function or a generator. Exceptions of this project and of
            Dagster pass, without what led to them, and so do interruptions.
    """
    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def generate(*args: P.args, **kwargs: P.kwargs) -> Iterator[Any]:
            try:
                yield from function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - the boundary
                _raise_anew(error)

        return generate  # type: ignore[return-value]

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the boundary
            _raise_anew(error)

    return call


def _raise_anew(error: Exception) -> NoReturn:
    if was_interrupted(error):
        raise DagsterExecutionInterruptedError from None
    is_ours = type(error).__module__.startswith(f"{_PACKAGE.name}.")
    if is_ours or isinstance(error, (dg.Failure, dg.RetryRequested, dg.DagsterError)):
        # A sentence of ours names no value; what led to it may.
        raise error from None
    raise UnforeseenError(told(error)) from None


def told(error: BaseException) -> str:
    """Return the kinds and the places of an error and of what led to it."""
    lines = [
        f"{_kind(error)}: nobody foresaw this; its text is left out, since it may name a student. "
        "Please report the lines below; what was loaded before stays as it was."
    ]
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        lines.append(f"{_kind(one)}, the innermost call last:")
        lines += [
            f"  {_place(frame.filename)}:{frame.lineno} in {frame.name}"
            for frame in traceback.extract_tb(one.__traceback__, limit=-30)
        ]
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return "\n".join(lines)


def _kind(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")


def _place(filename: str) -> str:
    """Return a file's name from its package on: folders of a machine are nobody's business."""
    path = Path(filename)
    if path.is_relative_to(_PACKAGE):
        return str(path.relative_to(_PACKAGE.parent))
    return "/".join(path.parts[-3:])
