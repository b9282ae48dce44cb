"""The roster: which districts there are, and how each wants to be read.

Reads and checks the YAML file; ``roster_edit`` changes it. Secrets are named here
and never held: ``District.certificate`` fetches one when a pull needs it.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from yaml import YAMLError

from aeries_pipeline.catalog.registry import OPTIONAL, RESOURCES
from aeries_pipeline.catalog.resource import Resource
from aeries_pipeline.districts.certificates import (
    from_command,
    from_environment,
    from_file,
    words_of,
)
from aeries_pipeline.districts.channels import Channel
from aeries_pipeline.districts.configuration import (
    AcceptedReading,
    AccountSettings,
    AnalystSettings,
    BackupSettings,
    CourseRequestSettings,
    IncrementalSettings,
    PublishSettings,
    RetentionSettings,
    SafeguardSettings,
)
from aeries_pipeline.districts.delivery import DeliverySettings
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.readings import Reading, reading_of
from aeries_pipeline.districts.school_codes import code_ranges, is_in
from aeries_pipeline.districts.secret import Certificate
from aeries_pipeline.districts.settled import Settled
from aeries_pipeline.districts.share import ShareSettings
from aeries_pipeline.districts.urls import checked_url
from aeries_pipeline.districts.windows import TOLD, Windows, parse_windows
from aeries_pipeline.districts.yaml_reader import read_yaml
from aeries_pipeline.stores.judge import Safeguards
from aeries_pipeline.words import mistakes_of, problem_of

_CHANNELS = TypeAdapter(list[Channel])
_TOGETHER = ("backups", "publish", "retention")
"""What is settled for all districts together, beside the notifications."""
DISTRICT_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class RosterError(ConfigurationError):
    """The roster has mistakes; the message lists each on a line of its own."""

    def __init__(self, mistakes: list[str], path: Path) -> None:
        """Collect the mistakes of one file."""
        lines = "\n".join(f"  - {mistake}" for mistake in mistakes)
        super().__init__("roster", f"the roster {path} cannot be used:\n{lines}")
        self.mistakes = mistakes


class District(Settled):
    """One district of the roster."""

    id: str
    name: str = Field(min_length=1)
    url: Annotated[str, AfterValidator(checked_url)] = ""
    certificate_env: str | None = None
    certificate_file: str | None = None
    certificate_command: Annotated[
        list[str], BeforeValidator(words_of), Field(default_factory=list)
    ]
    ca_file: str | None = Field(None, min_length=1)
    timezone: str = "America/Los_Angeles"
    server_timezone: str = ""
    pull_window: str | list[dict[str, Any]] = "any time"
    pull_window_accepted: AcceptedReading | None = None
    blackout_dates: list[date] = Field(default_factory=list)
    holidays: str = ""
    schools: list[Annotated[int, Field(ge=1, le=9999)]] = Field(default_factory=list)
    exclude_schools: Annotated[list[tuple[int, int]], BeforeValidator(code_ranges)] = Field(
        default_factory=list
    )
    inactive_school: int = 999
    database_year: int | None = Field(None, ge=1990, le=2100)
    resources: list[str] = Field(default_factory=list)
    safeguards: SafeguardSettings = Field(default_factory=SafeguardSettings)
    incremental: IncrementalSettings = Field(default_factory=IncrementalSettings)
    accounts: AccountSettings = Field(default_factory=AccountSettings)
    course_requests: CourseRequestSettings = Field(default_factory=CourseRequestSettings)
    analysts: AnalystSettings = Field(default_factory=AnalystSettings)
    delivery: DeliverySettings | None = None
    share: ShareSettings | None = None
    max_concurrent_requests: int = Field(4, ge=1, le=64)
    max_requests_per_second: float = Field(0.0, ge=0)
    stale_after_days: float = Field(8.0, gt=0)
    landing_keep: int = Field(2, ge=1)
    paused: bool = False
    until_accepted: bool = False

    _folder: Path = PrivateAttr(default=Path())

    @model_validator(mode="before")
    @classmethod
    def _no_secret(cls, data: Any) -> Any:  # noqa: ANN401 - whatever YAML held
        if isinstance(data, Mapping):
            for name in data:
                if str(name).lower() in {"certificate", "cert", "aeries_cert"}:
                    raise ValueError(
                        f"{name}: the certificate itself must not be in this file; put it in an "
                        "environment variable and name that as certificate_env"
                    )
        return data

    @field_validator("id")
    @classmethod
    def _id_is_safe(cls, value: str) -> str:
        if not DISTRICT_ID.fullmatch(value):
            raise ValueError("use small letters, digits and hyphens, at most 63, such as eagle-usd")
        return value

    @field_validator("timezone", "server_timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("not an IANA time zone such as America/Los_Angeles") from None
        return value

    @field_validator("schools")
    @classmethod
    def _schools_once(cls, value: list[int]) -> list[int]:
        twice = sorted({code for code in value if value.count(code) > 1})
        if twice:
            raise ValueError(f"listed twice: {', '.join(map(str, twice))}")
        return value

    @field_validator("resources")
    @classmethod
    def _resources_exist(cls, value: list[str]) -> list[str]:
        wrong = sorted(set(value) - set(RESOURCES))
        if wrong:
            raise ValueError(
                f"unknown: {', '.join(wrong)}; choose from {', '.join(sorted(OPTIONAL))}"
            )
        return value

    @model_validator(mode="after")
    def _waits(self) -> District:
        """Pause a district whose reading has to be accepted first, and was not.

        Asked of the value and not of what the file says: YAML has many a yes.
        """
        if self.awaits_acceptance:
            object.__setattr__(self, "paused", True)
        return self

    @model_validator(mode="after")
    def _consistent(self) -> District:
        named = (self.certificate_env, self.certificate_file, self.certificate_command)
        if sum(map(bool, named)) != 1:
            raise ValueError(
                "give certificate_env or certificate_file or certificate_command, one of them"
            )
        if self.inactive_school in self.schools:
            raise ValueError(f"schools: {self.inactive_school} is the inactive_school")
        both = [code for code in self.schools if is_in(self.exclude_schools, code)]
        if both:
            raise ValueError(f"exclude_schools: {both[0]} is in schools, too; take it out of one")
        wrong = sorted(set(self.incremental.whole) - set(RESOURCES))
        if wrong:
            raise ValueError(f"incremental.whole: unknown: {', '.join(wrong)}")
        for name, resource in self.accounts.xello.needs.items():
            if resource not in self.resources:
                raise ValueError(f"accounts.xello.{name}: add {resource} to resources")
        if self.paused and self.pull_window_accepted is None and not self.pull_window:
            return self
        if not self.paused and not self.url:
            raise ValueError("url: is missing; only a paused district may be without it")
        if self.pull_window_accepted is not None and not isinstance(self.pull_window, str):
            raise ValueError(
                "pull_window_accepted: goes with words; pull_window is in the structured form, "
                "which counts as it stands, so take pull_window_accepted out"
            )
        self.windows  # noqa: B018 - read for its errors
        return self

    @property
    def windows(self) -> Windows:
        """The times at which the district may be read.

        The reading that a person accepted, or that of the words where none was.
        A paused district without times has none.

        Raises:
            ValueError: If its words cannot be read, or in two ways.
        """
        days = [day.isoformat() for day in self.blackout_dates]
        if self.pull_window_accepted is not None:
            stated: str | list[dict[str, Any]] = self.pull_window_accepted.windows
        else:
            stated = self.pull_window
        if self.paused and not stated:
            return Windows((), self.timezone)
        return parse_windows(stated, self.timezone, days, self.holidays)

    @property
    def awaits_acceptance(self) -> bool:
        """Whether nothing is asked of the server before a person accepts the reading."""
        return self.until_accepted and self.pull_window_accepted is None

    @property
    def pause(self) -> str:
        """Why it is paused, in a few words."""
        return (
            "its window waits to be accepted" if self.awaits_acceptance else "paused in the roster"
        )

    @property
    def why_paused(self) -> str:
        """Why nothing is asked of a paused district's server, and what ends that."""
        if self.awaits_acceptance:
            return (
                f"{self.id}: nobody has accepted the reading of its pull window yet, so nothing is "
                f"asked of its server; look at it with: aeries-pipeline window {self.id} --accept"
            )
        return (
            f"{self.id}: paused in the roster, so nothing is asked of its server; set "
            "paused: false to go on"
        )

    @property
    def reading(self) -> Reading:
        """How its words stand to the reading that counts."""
        return reading_of(
            self.id, self.pull_window, self.pull_window_accepted, self.timezone, self.holidays
        )

    @property
    def zone(self) -> ZoneInfo:
        """The district's time zone."""
        return ZoneInfo(self.timezone)

    def day_of(self, moment: datetime) -> date:
        """Return the district's date at a moment, which is UTC without a zone."""
        return moment.replace(tzinfo=UTC).astimezone(self.zone).date()

    def told(self, instant: datetime | None) -> str:
        """Return an instant in the district's own time, as it stands in messages."""
        return f"{instant.astimezone(self.zone):{TOLD}}" if instant else "never"

    @property
    def bounds(self) -> Safeguards:
        """The district's safeguards as the warehouse takes them."""
        return Safeguards(
            max_drop=self.safeguards.max_drop,
            min_drop_rows=self.safeguards.min_drop_rows,
            max_quarantined=self.safeguards.max_quarantined,
            min_quarantined_rows=self.safeguards.min_quarantined_rows,
            max_growth=self.safeguards.max_growth,
            min_growth_rows=self.safeguards.min_growth_rows,
            max_other_school=self.safeguards.max_other_school,
            min_other_school_rows=self.safeguards.min_other_school_rows,
            inactive_school=self.inactive_school,
        )

    def wants(self, resource: Resource) -> bool:
        """Tell whether a resource is pulled for this district."""
        return not resource.optional or resource.name in self.resources

    def beside(self, name: str) -> Path:
        """Return the path of a file that the roster names, looked up beside it."""
        return self._folder / name

    def authorities(self) -> Path | None:
        """Return the file of the district's own certificate authorities; None for the usual ones.

        Raises:
            ConfigurationError: If the file cannot be read or holds no authority.
        """
        if self.ca_file is None:
            return None
        path = self._folder / self.ca_file
        try:
            ssl.create_default_context(cafile=str(path))
        except (OSError, ValueError):
            raise ConfigurationError(
                "ca_file",
                f"{self.id}: no certificate authority can be read from {path} (ca_file); put the "
                "district's authority there in PEM form, or take ca_file out of the roster",
            ) from None
        return path

    def certificate(self) -> Certificate:
        """Fetch the certificate from where the roster says it is.

        Raises:
            ConfigurationError: If it is not there or cannot be one. The
                message names the place, never the content.
        """
        if self.certificate_command:
            return from_command(self.id, self.certificate_command)
        if self.certificate_env:
            return from_environment(self.id, self.certificate_env)
        return from_file(self.id, self._folder / (self.certificate_file or ""))


class Roster(Settled):
    """All districts, in the order of the file, and what is settled for all of them together."""

    districts: list[District] = Field(default_factory=list)
    notifications: list[Channel] = Field(default_factory=list)
    publish: PublishSettings = Field(default_factory=PublishSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    backups: BackupSettings = Field(default_factory=BackupSettings)

    def get(self, district_id: str) -> District:
        """Return one district.

        Raises:
            ConfigurationError: If the roster does not hold it.
        """
        for district in self.districts:
            if district.id == district_id:
                return district
        known = ", ".join(district.id for district in self.districts) or "none"
        raise ConfigurationError(
            "unknown_district", f"district '{district_id}' is not in the roster (it has: {known})"
        )


def load_roster(path: Path) -> Roster:
    """Read and check a roster file; an unchanged file is read once in a process.

    Raises:
        RosterError: With one line for each mistake, naming district and field.
    """
    try:
        state = path.stat()
    except OSError:
        return _load(path, 0, 0)
    return _load(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _load(path: Path, _changed: int, _size: int) -> Roster:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RosterError(["the file does not exist"], path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RosterError([f"the file cannot be read ({type(error).__name__})"], path) from None
    return read_roster(text, path)


def read_roster(text: str, path: Path) -> Roster:
    """Read and check the text of a roster.

    Args:
        text: YAML 1.2.
        path: Where it stands or will stand, for messages and secret files.

    Raises:
        RosterError: With one line for each mistake, naming district and field.
    """
    try:
        data = read_yaml(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else "somewhere"
        raise RosterError([f"{place}: not valid YAML ({problem_of(error)})"], path) from None
    if not isinstance(data, dict) or not isinstance(data.get("districts"), list):
        raise RosterError(["the file must hold a list named 'districts'"], path)
    return _checked(data, path)


def _checked(data: dict[str, Any], path: Path) -> Roster:
    known = set(Roster.model_fields)
    mistakes = [f"{name}: not known at the top of the file" for name in data if name not in known]
    districts: list[District] = []
    seen: set[str] = set()
    for place, entry in enumerate(data["districts"], start=1):
        label = entry.get("id") if isinstance(entry, dict) else None
        label = label if isinstance(label, str) else f"district number {place}"
        if label in seen:
            mistakes.append(f"{label}: id: listed twice")
        seen.add(label)
        try:
            district = District.model_validate(entry)
        except ValidationError as error:
            mistakes += [f"{label}: {one}" for one in mistakes_of(error)]
        else:
            district._folder = path.parent  # noqa: SLF001 - its own module
            districts.append(district)
    notifications: list[Channel] = []
    try:
        notifications = _CHANNELS.validate_python(data.get("notifications") or [])
    except ValidationError as error:
        mistakes += [f"notifications: {one}" for one in mistakes_of(error)]
    mistakes += [
        f"notifications.{place}: districts: '{name}' is not in the roster"
        for place, channel in enumerate(notifications)
        for name in channel.districts
        if name not in seen
    ]
    together: dict[str, Any] = {}
    for name in set(_TOGETHER) & set(data):
        try:
            of = TypeAdapter[Any](Roster.model_fields[name].annotation or dict)
            together[name] = of.validate_python(data[name] or {})
        except ValidationError as error:
            mistakes += [f"{name}: {one}" for one in mistakes_of(error)]
    if mistakes:
        raise RosterError(mistakes, path)
    return Roster(districts=districts, notifications=notifications, **together)
