"""The base of everything that a person settles in the roster."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settled(BaseModel):
    """Frozen, without unknown names; a refusal does not echo the value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
