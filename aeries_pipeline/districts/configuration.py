"""The settings of one district in the roster.

Shapes, defaults and bounds. What follows from a setting is decided where it is used.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from aeries_pipeline.districts.delivery import DeliverySettings, SftpDelivery
from aeries_pipeline.districts.settled import Range, Settled
from aeries_pipeline.districts.xello_files import XelloFiles

REQUEST_COLUMNS = (
    "student_id", "course_id", "priority", "alternate_for", "school_year", "requested_at",
)  # fmt: skip
"""What a column of a file of course requests may hold."""


class SafeguardSettings(Settled):
    """Bounds of a pull (``stores.judge``) and of account changes (``accounts.policy``)."""

    max_drop: float = Field(default=0.20, gt=0, le=1)
    min_drop_rows: int = Field(default=20, ge=1)
    max_quarantined: float = Field(default=0.05, ge=0, le=1)
    min_quarantined_rows: int = Field(default=5, ge=1)
    max_growth: float = Field(default=1.0, gt=0, le=100)
    min_growth_rows: int = Field(default=50, ge=1)
    max_other_school: float = Field(default=0.05, ge=0, le=1)
    min_other_school_rows: int = Field(default=5, ge=1)
    max_deactivated: float = Field(default=0.10, ge=0, le=1)
    min_deactivated: int = Field(default=5, ge=1)
    warn_deactivated: float = Field(default=0.05, ge=0, le=1)
    max_updated: float = Field(default=0.75, ge=0, le=1)
    max_created: float = Field(default=0.20, ge=0, le=1)
    over_days: int = Field(default=30, ge=1, le=366)
    max_deactivated_over_days: float = Field(default=0.10, ge=0, le=1)
    max_absent: float = Field(default=0.02, ge=0, le=1)
    min_absent: int = Field(default=3, ge=0)
    max_left_out: float = Field(default=0.01, ge=0, le=1)
    min_left_out: int = Field(default=5, ge=0)
    max_asked: int = Field(default=50, ge=1, le=10_000)
    sample_asked: int = Field(default=20, ge=1, le=10_000)


class IncrementalSettings(Settled):
    """When only changed records are read, and when a list is read whole."""

    full_every_days: float = Field(default=7.0, ge=0, le=60)
    overlap_minutes: int = Field(default=10, ge=1, le=1440)
    kilobytes_per_request: float = Field(default=50.0, gt=0, le=1_000_000)
    whole: list[str] = Field(default_factory=lambda: ["students"])


class StatusCodes(Settled):
    """What the district's codes of InactiveStatusCode mean; blank is always active."""

    active: list[str] = Field(default_factory=list)
    pre_enrolled: list[str] = Field(default_factory=lambda: ["*"])
    ignored: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _once(self) -> StatusCodes:
        codes = [code.strip() for code in (*self.active, *self.pre_enrolled, *self.ignored)]
        if "" in codes:
            raise ValueError("a blank code always means active and cannot be listed")
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            raise ValueError(f"given more than one meaning: {', '.join(twice)}")
        return self


class Span(Settled):
    """Days, both included."""

    first: date
    last: date

    @model_validator(mode="after")
    def _ordered(self) -> Span:
        if self.last < self.first:
            raise ValueError("the last day lies before the first")
        return self


class AcceptedReading(Settled):
    """How a person has read a district's words for its pull window, see ``districts.readings``."""

    words: str
    windows: list[dict[str, Any]] = Field(min_length=1)
    corrected: bool = False
    by: str = ""
    on: date | None = None


class AccountSettings(Settled):
    """How a district's student rows become accounts, see ``docs/accounts.md``."""

    absent_pulls: int = Field(default=2, ge=1, le=60)
    leaving_rounds: int = Field(default=2, ge=1, le=60)
    round_hours: float = Field(default=12.0, gt=0, le=168)
    status_codes: StatusCodes = Field(default_factory=StatusCodes)
    secondary_programs: list[str] = Field(default_factory=list)
    confirm_alone: bool = True
    pre_enrolled_accounts: bool = False
    additions_only: list[Span] = Field(default_factory=list)
    delivered_grades: Range = (0, 12)
    deliveries_keep: int = Field(default=30, ge=1)
    xello: XelloFiles = Field(default_factory=XelloFiles)


class AnalystSettings(Settled):
    """What analysts may see of a district, see ``docs/analysts.md``."""

    access: Literal["rows", "counts", "none"] = "rows"
    smallest_count: int = Field(default=10, ge=2, le=1000)


ENVIRONMENT = "env:"
"""How a setting begins that an environment variable holds."""

_FOLDER = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


class PublishSettings(Settled):
    """How often the analysts' copy is made, who on the machine may read it, and as what."""

    minutes: float = Field(default=30.0, ge=0, le=10080)
    readable_by_group: bool = False
    format: Literal["file", "ducklake"] = "file"
    catalog: str = "lake/catalog.ducklake"
    data: str = "lake/data"
    snapshot_days: float = Field(default=1.0, ge=0, le=365)

    @field_validator("catalog")
    @classmethod
    def _no_password(cls, value: str) -> str:
        if re.fullmatch(rf"{ENVIRONMENT}[A-Za-z_][A-Za-z0-9_]*", value):
            return value
        if "=" in value or not value.strip() or _FOLDER.match(value):
            raise ValueError(
                "name a file, or env:VARIABLE for the environment variable that holds the "
                "connection string of a Postgres database; no password may stand in the roster"
            )
        return value

    @field_validator("data")
    @classmethod
    def _folder(cls, value: str) -> str:
        if not value.strip() or _FOLDER.match(value):
            raise ValueError("name a folder; an object store cannot hold the lake yet")
        return value


class BackupSettings(Settled):
    """Whether every warehouse is backed up each day, see ``docs/operating.md``."""

    daily: bool = False
    folder: str = ""
    oldest_days: float = Field(default=2.0, ge=0.1, le=3650)

    def place(self, default: Path) -> Path:
        """Return the folder of the backups: the one that is named, or the default."""
        return Path(self.folder) if self.folder else default


class RetentionSettings(Settled):
    """How long what is no longer needed stays, see ``docs/operating.md``."""

    landing_days: float = Field(default=30.0, ge=0, le=3650)
    quarantine_days: float = Field(default=90.0, ge=0, le=3650)
    deliveries_days: float = Field(default=400.0, ge=0, le=3650)
    inbox_days: float = Field(default=120.0, ge=0, le=3650)
    dagster_days: float = Field(default=90.0, ge=1, le=3650)
    history_years: int = Field(default=6, ge=0, le=50)
    backups_keep: int = Field(default=7, ge=1, le=1000)


class CourseRequestSettings(Settled):
    """How a district's course requests are read and exported, see ``docs/course-requests.md``."""

    columns: dict[str, str] = Field(default_factory=dict)
    max_megabytes: float = Field(default=50.0, gt=0, le=500)
    first_sequence: int = Field(default=1001, ge=1, le=30000)
    section_staff_schools: list[int] = Field(default_factory=list)
    aca_columns: list[str] = Field(default_factory=list)
    arrival_days: float = Field(default=7.0, ge=0)
    deliveries_keep: int = Field(default=30, ge=1)
    covers: Literal["students", "school", "district", "additions"] = "students"
    max_vanishing: float = Field(default=0.10, ge=0, le=1)
    min_vanishing: int = Field(default=20, ge=1)
    restore_zeros: bool = False
    requests_a_student: Range = (5, 9)
    withdrawals_in_script: bool = False
    write: Literal["files", "api"] = "files"
    delivery: DeliverySettings | None = None
    inbox: SftpDelivery | None = None

    @field_validator("columns")
    @classmethod
    def _columns_exist(cls, value: dict[str, str]) -> dict[str, str]:
        wrong = sorted(set(value) - set(REQUEST_COLUMNS))
        if wrong:
            raise ValueError(
                f"unknown: {', '.join(wrong)}; choose from {', '.join(REQUEST_COLUMNS)}"
            )
        return value

    @field_validator("aca_columns")
    @classmethod
    def _aca_columns(cls, value: list[str]) -> list[str]:
        if value and (len(value) != 4 or not all(re.fullmatch("[A-Z0-9]{1,8}", v) for v in value)):
            raise ValueError(
                "give four column codes of table ACA: school, student, sequence of the request, "
                "sequence of the alternate"
            )
        return value
