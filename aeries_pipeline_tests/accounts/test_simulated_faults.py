"""No child loses an account by mistake, whatever the server does: a simulated district."""

from __future__ import annotations

import os

import pytest

from aeries_pipeline_tests.accounts.simulator import FAULTS, NEW_ID, Report, simulate
from aeries_pipeline_tests.breadth import many

NIGHTS = int(os.environ.get("SIMULATED_NIGHTS", many(30, wide=250)))
"""Mixed nights for each seed; the wide form makes the thousand of docs/accounts.md."""


def right(report: Report) -> Report:
    """Nothing happened that must not; the report is shown where it did."""
    assert report.is_right, report
    return report


def test_a_few_nights_with_every_fault() -> None:
    report = right(simulate(FAULTS, seed=11, nights=10, rate=0.15))
    assert report.nights == 10


@pytest.mark.long
def test_without_a_fault_hardly_anything_waits_for_a_person() -> None:
    report = right(simulate((), seed=1, nights=100))
    assert report.deactivated > 10
    assert report.quiet_holds * 50 <= report.quiet_nights
    # About one student leaves each night: four schools, and another one for comparison.
    assert sum(report.requests) < 10 * report.nights


@pytest.mark.long
@pytest.mark.parametrize("fault", [*FAULTS, NEW_ID])
def test_each_fault_alone(fault: str) -> None:
    # Where chance left the fault out, other nights are lived through.
    for seed in range(1, 5):
        if right(simulate((fault,), seed=seed, nights=many(12, wide=20), rate=0.2)).faults[fault]:
            return
    pytest.fail(f"{fault} never happened")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 5))
def test_all_faults_mixed(seed: int) -> None:
    report = right(simulate(FAULTS, seed, nights=NIGHTS, rate=0.02))
    assert report.nights == NIGHTS
    assert len(report.faults) > min(len(FAULTS) / 2, NIGHTS / 20)
    assert report.deactivated > NIGHTS * 0.12
