"""Nothing that an exception quotes reaches Dagster's event log; kind and place do."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from aeries_pipeline.districts.errors import TransientError
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.boundary import UnforeseenError, told, without_values
from aeries_pipeline_tests.conftest import World

NAME = "Zzyzxmarker"


def deep() -> None:
    try:
        {}[NAME]
    except KeyError as error:
        raise ValueError(f"cannot cast '{NAME}' to a date") from error


def plain() -> None:
    deep()


def generated() -> Iterator[dg.MaterializeResult[Any]]:
    yield dg.MaterializeResult()
    deep()


def hidden() -> None:
    try:
        deep()
    except ValueError:
        raise dg.Failure("one sentence of ours")  # noqa: B904 - what led to it is the matter


def ours() -> None:
    try:
        deep()
    except ValueError:
        raise TransientError("timeout", "the server did not answer")  # noqa: B904


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (plain, "ValueError: nobody foresaw this"),
        (generated, "in deep"),
        (hidden, "one sentence of ours"),
        (ours, "the server did not answer"),
    ],
)
def test_the_event_log_holds_kind_and_place_and_no_value(
    body: Callable[[], Any], says: str, tmp_path: Path
) -> None:
    asset = dg.asset(name="one")(without_values(body))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        result = dg.materialize([asset], instance=instance, raise_on_error=False)
        assert not result.success
        logged = "\n".join(str(one) for one in instance.all_logs(result.run_id))
    assert says in logged
    held = b"".join(one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())
    assert says.encode() in held
    assert NAME.encode() not in held


def test_a_report_names_each_error_of_the_chain_with_its_place() -> None:
    try:
        deep()
    except ValueError as error:
        text = told(error)
    assert "KeyError, the innermost call last:" in text
    assert "orchestration/test_boundary.py:" in text
    assert NAME not in text
    assert str(Path.cwd()) not in text


def test_interruptions_pass_as_they_are() -> None:
    @without_values
    def stopped() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()


def test_a_signal_in_the_middle_of_a_query_is_an_interruption() -> None:
    """DuckDB turns it into an error of its own; the run would be failed, and not canceled."""

    def fire(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    @without_values
    def asks() -> None:
        # No join: DuckDB looks for signals between its tasks, and one task of a join
        # of everything with everything goes on for minutes.
        duckdb.sql("SELECT count(*) FROM range(100000000000) WHERE range % 7 = 8").fetchall()

    before = signal.signal(signal.SIGALRM, fire)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(DagsterExecutionInterruptedError):
            asks()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_everything_that_dagster_calls_stands_behind_the_boundary(world: World) -> None:
    defs = build_defs(world.settings)
    repository = defs.get_repository_def()
    functions: dict[str, object] = {}
    for assets in repository.assets_defs_by_key.values():
        if assets.is_executable:
            functions[assets.op.name] = assets.op.compute_fn.decorated_fn  # type: ignore[union-attr]
    for sensor in repository.sensor_defs:
        raw = getattr(sensor, "_raw_fn", None)
        if raw is not None and raw.__module__.startswith("aeries_pipeline"):
            functions[sensor.name] = raw
    for job in repository.get_all_jobs():
        for node in job.nodes:
            if isinstance(node.definition, dg.OpDefinition):
                functions[node.name] = node.definition.compute_fn.decorated_fn  # type: ignore[union-attr]
    assert len(functions) > 25
    marks = {name: hasattr(one, "__wrapped__") for name, one in functions.items()}
    assert all(marks.values()), [name for name, good in marks.items() if not good]


def test_the_class_is_no_error_of_dagsters() -> None:
    assert not issubclass(UnforeseenError, dg.DagsterError)
