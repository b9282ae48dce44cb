"""What one step of the onboarding check found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a step ended."""

    PASSED = "ok"
    WARNED = "warning"
    FAILED = "failed"
    SKIPPED = "not reached"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the check.

    Attributes:
        step: What was looked at.
        verdict: How it ended.
        text: What was found, in a sentence.
        ask: What the district should be asked for; empty if nothing.
        blocks: Whether later steps make no sense without it.
    """

    step: str
    verdict: Verdict
    text: str
    ask: str = ""
    blocks: bool = False


def passed(step: str, text: str) -> Finding:
    """Return a step that found what it should."""
    return Finding(step, Verdict.PASSED, text)


def warned(step: str, text: str, ask: str = "") -> Finding:
    """Return a step that found something to look at."""
    return Finding(step, Verdict.WARNED, text, ask)


def failed(step: str, text: str, ask: str = "", *, blocks: bool = True) -> Finding:
    """Return a step without which the district cannot be pulled."""
    return Finding(step, Verdict.FAILED, text, ask, blocks)


def is_good(findings: Sequence[Finding]) -> bool:
    """Tell whether the district can be pulled as it stands."""
    return all(one.verdict in {Verdict.PASSED, Verdict.WARNED} for one in findings)
