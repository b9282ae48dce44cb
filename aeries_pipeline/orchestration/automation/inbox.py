"""The sensor that notices complete files of course requests in the districts' inboxes.

It looks at names, sizes, times and the end of a file, and reads none of its lines.
"""

import json
from datetime import UTC, datetime

import dagster as dg

from aeries_pipeline.course_requests.inbox import FOLDER, waiting_files
from aeries_pipeline.deliveries.collect import may_look
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.orchestration.assets.course_requests import REQUESTS
from aeries_pipeline.orchestration.automation.jobs import TAKE_REQUESTS
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.orchestration.partitions import DISTRICT_TAG
from aeries_pipeline.settings import Settings
from aeries_pipeline.words import counted, verb

AGAIN_SECONDS = 900
"""A file that is still there after a run is tried again as often."""


def build_inbox_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that starts a run for each district with files."""

    @dg.sensor(
        name="course_request_files",
        job_name=TAKE_REQUESTS,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts core/course_requests for a district when a file in its inbox has not "
        "changed between two ticks, and once an hour in its pull window where its inbox is on an "
        "SFTP server.",
    )
    @without_values
    def course_request_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        before: dict[str, list[str]] = json.loads(context.cursor or "{}")
        moment = datetime.now(UTC)
        seen: dict[str, list[str]] = {}
        requests = []
        for district in load_roster(settings.roster).districts:
            if may_look(district, moment):
                requests.append(_request(district.id, f"{moment:%Y-%m-%dT%H}/poll"))
            files = waiting_files(settings.inbox / district.id / FOLDER, moment)
            if not files:
                continue
            marks = [one.mark for one in files]
            seen[district.id] = marks
            # The same as in the tick before: nobody is writing it.
            still = [one for one in marks if one in before.get(district.id, [])]
            if still:
                slot = int(moment.timestamp()) // AGAIN_SECONDS
                requests.append(_request(district.id, f"{slot}/{'+'.join(still)}"))
        reason = None if requests else _waits(seen)
        return dg.SensorResult(
            run_requests=requests,
            cursor=json.dumps(seen),
            skip_reason=dg.SkipReason(reason) if reason else None,
        )

    return course_request_files


def _request(district: str, what: str) -> dg.RunRequest:
    """Return the request for a run; one key makes one run, however often it is asked for."""
    return dg.RunRequest(
        run_key=f"{district}@{what}"[:200],
        partition_key=district,
        asset_selection=[REQUESTS],
        tags={DISTRICT_TAG: district},
    )


def _waits(seen: dict[str, list[str]]) -> str:
    if not seen:
        return "no inbox holds a complete file"
    files = sum(len(marks) for marks in seen.values())
    where = ", ".join(sorted(seen))
    are = verb(files, "is", "are")
    return f"{counted(files, 'file')} in {where} {are} looked at again at the next tick"
