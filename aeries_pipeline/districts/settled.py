"""The base class of all settings in the roster."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict


class Settled(BaseModel):
    """Frozen, without unknown names; a refusal does not echo the value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _both(value: object) -> object:
    if isinstance(value, (list, tuple)) and len(value) != 2:
        raise ValueError("give the lowest and the highest, such as [9, 12]")
    return value


def _ordered(value: tuple[int, int]) -> tuple[int, int]:
    if value[1] < value[0]:
        raise ValueError("give the lowest first")
    return value


Range = Annotated[tuple[int, int], BeforeValidator(_both), AfterValidator(_ordered)]
"""A lowest and a highest number, both included."""
