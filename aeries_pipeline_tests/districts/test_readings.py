"""The accepted reading counts; what has changed since is said, and changes nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from aeries_pipeline.districts.configuration import AcceptedReading
from aeries_pipeline.districts.readings import State, same_times
from aeries_pipeline.districts.roster import District, RosterError, read_roster
from aeries_pipeline.districts.roster_edit import with_district, with_reading
from aeries_pipeline.districts.windows import parse_windows

ZONE = "America/Los_Angeles"
WORDS = "Weekends only from 8:00 p.m. - 2:00 a.m."
ROSTER = f"""\
# the districts of the north
districts:
  # the pilot
  - id: eagle-usd        # since 2025
    name: Eagle
    url: "https://demo.aeries.net/aeries.net/SecurityForAPI.aspx"   # as copied
    certificate_env: EAGLE_CERT
    paused: true   # until Kim is back
    pull_window: "{WORDS}"   # by telephone

    # filled by hand
    schools: [990,   991]

  # the second
  - id: falcon-usd
    name: 'Falcon'
    url: https://falcon.example/aeries
    certificate_env: FALCON_CERT
    pull_window: >-
      weekdays 8pm - 2am
      and weekends any time
"""


def district(text: str, district_id: str = "eagle-usd") -> District:
    return read_roster(text, Path("districts.yaml")).get(district_id)


def accepted(words: str, **more: object) -> AcceptedReading:
    stated = parse_windows(words, ZONE).structured
    return AcceptedReading(words=words, windows=stated, **more)


def test_without_an_accepted_reading_the_words_count_and_a_person_is_invited() -> None:
    one = district(ROSTER)
    assert str(one.windows) == "sat, sun 20:00 to 02:00"
    assert one.reading.state is State.NEVER_ACCEPTED
    assert "aeries-pipeline window eagle-usd" in one.reading.text
    assert not one.reading.needs_a_person


def test_the_accepted_reading_counts_and_a_release_that_reads_otherwise_says_so() -> None:
    # An earlier release read less in the same words.
    narrow = parse_windows("Saturdays 8pm-2am", ZONE).structured
    text = with_reading(ROSTER, "eagle-usd", AcceptedReading(words=WORDS, windows=narrow))
    one = district(text)
    assert str(one.windows) == "sat 20:00 to 02:00"
    assert one.reading.state is State.DIFFERS
    assert one.reading.needs_a_person
    assert "reads its pull window differently" in one.reading.text
    assert str(one.reading.now) == "sat, sun 20:00 to 02:00"


def test_words_that_this_release_cannot_read_keep_their_accepted_reading() -> None:
    vague = "nights, as agreed by telephone"
    held = AcceptedReading(words=vague, windows=parse_windows(WORDS, ZONE).structured)
    one = district(with_reading(ROSTER, "eagle-usd", held, words=vague))
    assert str(one.windows) == "sat, sun 20:00 to 02:00"
    assert one.reading.state is State.DIFFERS
    assert "cannot read" in one.reading.text
    # Where a person corrected the reading, nobody asks again.
    corrected = held.model_copy(update={"corrected": True})
    one = district(with_reading(ROSTER, "eagle-usd", corrected, words=vague))
    assert one.reading.state is State.ACCEPTED
    assert one.reading.text == ""


def test_words_that_were_changed_afterwards_are_noticed() -> None:
    text = with_reading(ROSTER, "eagle-usd", accepted(WORDS))
    assert district(text).reading.state is State.ACCEPTED
    changed = text.replace(f'pull_window: "{WORDS}"', 'pull_window: "any time"')
    one = district(changed)
    assert str(one.windows) == "sat, sun 20:00 to 02:00"
    assert one.reading.state is State.CHANGED
    assert one.reading.needs_a_person


def test_the_roster_keeps_its_comments_and_every_other_character() -> None:
    held = accepted(WORDS, by="kim", on=date(2026, 11, 27))
    text = with_reading(ROSTER, "eagle-usd", held, resumes=True)
    added = (
        "    pull_window_accepted:\n"
        f'      words: "{WORDS}"\n'
        "      windows:\n"
        '        - {days: [sat, sun], opens: "20:00", closes: "02:00"}\n'
        "      by: kim\n"
        "      on: 2026-11-27\n"
    )
    assert added in text
    without = text.replace(added, "").replace("paused: false", "paused: true")
    assert without == ROSTER
    assert not district(text).paused
    # A second acceptance takes the place of the first.
    again = with_reading(text, "eagle-usd", accepted("Saturdays 8pm-2am"), words="Sat 8pm-2am")
    assert again.count("pull_window_accepted") == 1
    assert '    pull_window: "Sat 8pm-2am"   # by telephone\n' in again
    assert "\n\n    # filled by hand\n    schools: [990,   991]\n" in again


def test_words_over_several_lines_can_be_accepted_at_the_end_of_the_file() -> None:
    words = "weekdays 8pm - 2am and weekends any time"
    text = with_reading(ROSTER, "falcon-usd", accepted(words))
    assert text.startswith(ROSTER.rstrip("\n"))
    assert district(text, "falcon-usd").reading.state is State.ACCEPTED


def test_an_entry_in_braces_is_refused_with_a_sentence() -> None:
    text = "districts:\n  - {id: eagle-usd, name: Eagle, pull_window: any time}\n"
    with pytest.raises(ValueError, match="eagle-usd: its entry stands in braces"):
        with_reading(text, "eagle-usd", accepted(WORDS))


def test_the_same_times_may_be_spelled_otherwise() -> None:
    one = parse_windows("Friday 8pm to Sunday 8pm", ZONE)
    other = parse_windows("Fri 8pm-4am, Sat all day, Sun midnight-8pm", ZONE)
    assert one != other
    assert same_times(one, other)
    assert not same_times(one, parse_windows("Friday 8pm to Sunday 9pm", ZONE))
    assert not same_times(one, parse_windows("Friday 8pm to Sunday 8pm", ZONE, holidays="US-CA"))


@pytest.mark.parametrize("stated", ["true", "yes", '"true"', "1", "on", "True"])
def test_however_it_is_written_a_district_waits_for_its_reading(stated: str) -> None:
    one = district(
        ROSTER.replace("paused: true   # until Kim is back", f"until_accepted: {stated}")
    )
    assert one.awaits_acceptance
    assert one.paused


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("paused: true   # until Kim is back", "paused: false", "url: is missing"),
        (f'pull_window: "{WORDS}"', 'pull_window: ""', "no window is given"),
    ],
)
def test_only_a_paused_district_may_lack_an_address_or_times(old: str, new: str, says: str) -> None:
    bare = ROSTER.replace("https://demo.aeries.net/aeries.net/SecurityForAPI.aspx", "")
    if "pull_window" in new:
        bare = ROSTER.replace("paused: true   # until Kim is back", "paused: false")
        whole = ROSTER.replace(old, new)
        one = district(whole)
        assert str(one.windows) == "at no time"
        assert one.windows.next_opening(datetime(2026, 11, 27, tzinfo=UTC)) is None
        assert "no best times are known" in one.reading.text
    else:
        assert district(bare).url == ""
    with pytest.raises(RosterError, match=says):
        district(bare.replace(old, new))


def parse_when():
    from datetime import UTC, datetime

    return datetime(2026, 11, 27, tzinfo=UTC)


def test_an_accepted_reading_beside_the_structured_form_is_refused() -> None:
    text = with_reading(ROSTER, "eagle-usd", accepted(WORDS)).replace(
        f'pull_window: "{WORDS}"', 'pull_window: [{opens: "20:00", closes: "21:00"}]'
    )
    with pytest.raises(RosterError, match="goes with words"):
        district(text)


def test_a_new_entry_may_have_remarks() -> None:
    entry = {"id": "b-usd", "name": "B: the second", "paused": True, "schools": []}
    text = with_district(ROSTER, entry, {"paused": ["the times of the e-mail:", "  whenever"]})
    assert text.startswith("# the districts of the north\n")
    assert (
        '  - id: b-usd\n    name: "B: the second"\n    # the times of the e-mail:\n'
        "    #   whenever\n    paused: true\n    schools: []\n" in text
    )
