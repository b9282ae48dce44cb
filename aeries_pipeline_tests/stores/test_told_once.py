from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.stores.outcomes import place
from aeries_pipeline.stores.told_once import Missing, told_once

WHY = "the server does not accept the certificate; compare it"


def missing(resource: str, school: int | None, why: str) -> Missing:
    return resource, school, f"{place('eagle-usd', school, resource)}: {why}"


def test_what_holds_for_many_partitions_is_one_sentence() -> None:
    one = missing("gpas", 994, "a login page came")
    many = [missing(f"r{n}", school, WHY) for n in range(4) for school in (991, 990)]
    assert told_once("eagle-usd", [one, missing("schools", None, WHY), *many]) == [
        one[2],
        f"eagle-usd, 5 resources of schools 990, 991: {WHY}",
    ]
    few = [missing("gpas", school, WHY) for school in range(1, 20)]
    assert told_once("eagle-usd", few) == [f"eagle-usd, gpas of 19 schools: {WHY}"]
    of_all = [missing(name, None, WHY) for name in ("schools", "courses")]
    assert told_once("eagle-usd", of_all) == [f"eagle-usd, schools, courses: {WHY}"]
    # A sentence that names no partition is told as it is.
    assert told_once("eagle-usd", [("a", 1, "the disk is full"), ("b", 2, "the disk is full")]) == [
        "the disk is full"
    ]


partitions = st.tuples(st.sampled_from(["gpas", "terms"]), st.none() | st.integers(1, 3))
reasons = st.sampled_from([WHY, "a login page came", "12 rows instead of 40"])


@given(st.dictionaries(partitions, reasons))
def test_every_reason_is_told_and_none_twice(found) -> None:
    told = told_once("eagle-usd", [missing(*where, why) for where, why in found.items()])
    assert len(told) == len(set(found.values()))
    assert all(sum(one.endswith(f": {why}") for one in told) == 1 for why in set(found.values()))
