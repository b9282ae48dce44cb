"""What an error from DuckDB or the operating system means for the operator.

Pure functions of an error's text. DuckDB's own texts may quote a value of a
row or the path of a file, so they are classified here and never passed on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_HELD = re.compile(r"^IO Error: Could not set lock on file ")
_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>\S+) \(PID (?P<pid>\d+)\)")
_READING = "you would be able to open this database in read-only mode"
_DAMAGED = re.compile(
    r"^(IO Error|Serialization Error|INTERNAL Error|FATAL Error|TransactionContext Error): .*("
    r"Corrupt database file|not a valid DuckDB database file|does not match stored checksum"
    r"|Could not read enough bytes|Failed to deserialize|Failure while replaying WAL)",
    re.DOTALL,
)
_MEMORY = re.compile(
    r"(failed to (pin|allocate)|could not allocate) (block|data) of size [\d.]+ \w+ "
    r"\([\d.]+ \w+/[\d.]+ \w+ used\)"
)
_FULL = re.compile(r"No space left on device|File too large|Could not write")
_REFUSED = re.compile(r"Permission denied|Read-only file system")


class Trouble(StrEnum):
    """The kinds of trouble with a database file."""

    HELD = "held"
    DAMAGED = "damaged"
    FULL = "full"
    REFUSED = "refused"
    MEMORY = "memory"
    OTHER = "other"


_REMEDIES = {
    Trouble.HELD: "close it there (analysts should open the published copy)",
    Trouble.FULL: "free some disk space",
    Trouble.REFUSED: "run this as the account that owns the data directory",
    Trouble.MEMORY: "give it more memory (AERIES_DUCKDB_MEMORY, or the container's limit)",
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is the matter.

    Attributes:
        trouble: The kind.
        cause: A clause for people, such as ``python3 (process 12) has it open``.
    """

    trouble: Trouble
    cause: str

    @property
    def remedy(self) -> str:
        """What to do about it, as a clause."""
        return _REMEDIES.get(self.trouble, "see docs/operating.md")


def diagnose(error: BaseException) -> Diagnosis:
    """Say what an error of DuckDB means, in words that hold nothing of a row."""
    text = str(error)
    if text.startswith("Out of Memory Error") or _MEMORY.search(text):
        return Diagnosis(Trouble.MEMORY, "DuckDB has not enough memory for it")
    if _HELD.search(text):
        return Diagnosis(Trouble.HELD, _held(text))
    # A full disk may surface as a failed write of a log; that is no damage.
    if _FULL.search(text):
        return Diagnosis(Trouble.FULL, "the disk is full")
    if _REFUSED.search(text):
        return Diagnosis(Trouble.REFUSED, "this account may not read and write it")
    if _DAMAGED.search(text):
        return Diagnosis(Trouble.DAMAGED, "it is damaged")
    if isinstance(error, OSError):
        return Diagnosis(Trouble.OTHER, f"the system reports {error.strerror}")
    return Diagnosis(Trouble.OTHER, f"DuckDB reports {type(error).__name__}")


def lacks_memory(error: BaseException) -> bool:
    """Say whether DuckDB gave up for want of memory."""
    return diagnose(error).trouble is Trouble.MEMORY


def was_interrupted(error: BaseException) -> bool:
    """Say whether a signal ended a query; DuckDB lets that look like any error at run time."""
    return type(error) is RuntimeError and str(error) == "Query interrupted"


def _held(text: str) -> str:
    purpose = "reading" if _READING in text else "writing"
    found = _HOLDER.search(text)
    if found is None:
        return f"another program has it open for {purpose}"
    program = found["program"].rsplit("/", 1)[-1]
    return f"another program, {program} (process {found['pid']}), has it open for {purpose}"
