"""E-mails as they are saved, and the certificate on no screen."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aeries_pipeline.districts.mail_scanners import unwrapped
from aeries_pipeline.operations.onboarding.entry import read_email
from aeries_pipeline.operations.onboarding.letters import masked, text_of
from aeries_pipeline_tests.conftest import CERTIFICATE

ZONE = "America/Los_Angeles"
PAGE = "https://sis.eagle.example/aeries/SecurityForAPI.aspx"
HEX = "75747985e2b234bf78536cf3495371781"  # pragma: allowlist secret
FACTS = f"Certificate: {CERTIFICATE}\nURL: {PAGE}\n"


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ("Please do NOT pull data:\n 8am - 4pm\nBest times: 10pm-4am", "10pm-4am"),
        ("Do not pull: Mon-Fri 7am-5pm", "Do not pull: Mon-Fri 7am-5pm"),
        ("Kim, office hours: Mon-Fri 8am-4pm\nBest times: 10pm-4am", "10pm-4am"),
        ("Kim, office hours: Mon-Fri 8am-4pm", None),
        ("Best times:\n  Weekdays 10pm-4am\n  Weekends any time\n\nKim",
         "Weekdays 10pm-4am; Weekends any time"),
        ("3. Best times - weekends 8pm-2am", "weekends 8pm-2am"),
        ("The best time to pull data is weeknights between 10 pm and 4 am.\nKim",
         "weeknights between 10 pm and 4 am"),
        ("Backups: 2am-4am\nBest times: 10pm-2am", "10pm-2am"),
        ("Best times | 10pm-4am", "10pm-4am"),
        ("Best times: 10pm-4am\n\n----- Original Message -----\nBest times: any time?", "10pm-4am"),
        ("Our backups run 2am-4am", None),
        ("Call me at 555 0100, 2026-2027", None),
    ],
)  # fmt: skip
def test_times_are_taken_only_from_what_allows(times: str, words: str | None) -> None:
    assert read_email(FACTS + times, ZONE).times == words


@pytest.mark.parametrize(
    "times",
    [
        "Best times: after hours, whatever is quiet",
        "Best times: 10pm-4am\nDo not pull between 2am and 6am",
        "Best times: 10pm-4am\nBest times: 8pm-2am",
        "Office: Mon-Fri 8am-4pm",
        "Hours: Mon-Fri 8am-4pm",
        "Blackout times: 8am-4pm",
        "Times to avoid: 8am-4pm",
        "Maintenance window: Sunday 2am-6am",
        "These hours are forbidden:\n8am - 4pm",
        "Kim\nMon-Fri 8am-4pm",
        "We do not like these times: 8am-4pm",
        "Do not pull when the backup runs at 3am\nBest times: 10pm-4am",
    ],
)
def test_doubt_about_times_is_refused(times: str) -> None:
    facts = read_email(FACTS + times, ZONE)
    assert facts.times is None
    assert "give them as --window" in facts.unread["times"]


def saved(kind: str) -> bytes:
    text = FACTS + "Best times: 10pm \N{EN DASH} 4am\n"
    if kind in {"utf-16", "cp1252", "utf-8-sig"}:
        return text.encode(kind)
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@b.example", "c@d.example", "Xello"
    message["Message-ID"] = "<a1b2c3d4e5f6a7b8c9d0e1f2a3b4@mail.example>"
    page = "".join(f"<p>{line}</p>" for line in text.splitlines()).replace(
        PAGE, f'<a href="{PAGE}">our Aeries</a>'
    )
    if kind == "html":
        message.set_content(f"<html><body>{page}</body></html>", subtype="html")
    else:
        message.set_content(text, cte=kind if kind != "multipart" else "quoted-printable")
    if kind == "multipart":
        message.add_alternative(page, subtype="html")
    return message.as_bytes()


@pytest.mark.parametrize(
    "kind", ["utf-16", "cp1252", "utf-8-sig", "quoted-printable", "base64", "html", "multipart"]
)
def test_an_email_is_read_as_it_was_saved(kind: str) -> None:
    facts = read_email(text_of(saved(kind)), ZONE)
    assert facts.certificate is not None
    assert facts.certificate.reveal() == CERTIFICATE
    assert facts.url == PAGE
    assert facts.times is not None


@pytest.mark.parametrize("cut", ["\n", "\u200b", "\r\n  ", "\u00ad", " "])
@pytest.mark.parametrize("at", [14, 20, 26])
def test_a_certificate_that_was_cut_is_put_together(cut: str, at: int) -> None:
    whole = HEX
    text = f"Certificate: {whole[:at]}{cut}{whole[at:]}\nURL: {PAGE}\n95120\nany time"
    found = read_email(text, ZONE).certificate
    assert found is not None
    assert found.reveal() == whole


@pytest.mark.parametrize(
    "wrapped",
    [
        "https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Fa.example%2Faeries&data=5",
        "https://urldefense.proofpoint.com/v2/url?u=https-3A__a.example_aeries&d=x",
        "https://urldefense.com/v3/__https://a.example/aeries__;!!x",
        "https://linkprotect.cudasvc.com/url?a=https%3a%2f%2fa.example%2faeries&c=E",
        "https://a.example/aeries",
    ],
)
def test_addresses_are_freed_from_mail_scanners(wrapped: str) -> None:
    assert unwrapped(wrapped) == "https://a.example/aeries"


PIECES = st.sampled_from(
    ["Certificate: ", "\n", " ", ". ", "URL: " + PAGE, "Best times: ", "Do not pull ", "8am-4pm",
     "any time", "The best time to pull is ", "office hours: ", "and ", "> ", "at 3am ", "1-4 "]
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"Certificate: {HEX[:5]}\n{HEX[5:]}\n", "28 characters that may be a piece"),
        (f"Certificate: {HEX[:32]}\n{HEX[32:]}\n", "32 characters that may be a piece"),
        (f"Certificate: {HEX} or {HEX[::-1]}", "2 texts that may be a certificate"),
    ],
)
def test_a_piece_is_never_taken_for_the_certificate(text: str, says: str) -> None:
    facts = read_email(text, ZONE)
    assert facts.certificate is None
    assert says in facts.unread["certificate"]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<table><tr><td>Best times</td><td>10pm-4am</td></tr></table>", "Best times | 10pm-4am"),
        (f"<p>Certificate: <span>{HEX[:4]}</span><span>{HEX[4:]}</span></p>", HEX),
        ("<p>any time</p><blockquote><p>Do not pull:<br>8am</p></blockquote>", "> Do not pull:"),
        ("<p>Best\n times:\n 10pm\n-\n4am</p>", "Best times: 10pm - 4am"),
        ("<p>a</p><div style='display:none'>secret</div><style>p{b:1}</style>", "a"),
        ("<?xml version='1.0' encoding='utf-16'?><p>any&nbsp;time &ndash; \u00e9</p>", "any"),
        ("<!-- nothing -->", ""),
    ],
)
def test_a_page_becomes_lines(page: str, text: str) -> None:
    read = text_of(f"<html>{page}</html>".encode())
    assert text in read
    assert "secret" not in read
    assert "{" not in read


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("weekdays 10pm-4am, 2200 - 0400", "weekdays 10pm-4am, 2200 - 0400"),
        (f"cut {HEX[:7]} at 3am", "cut ... at 3am"),
        (" ".join(HEX[n : n + 4] for n in range(0, 33, 4)) + " at noon", "... at noon"),
        (" ".join(HEX[n : n + 2] for n in range(0, 33, 2)) + " at noon", "... at noon"),
        ("dead\u200bbeef please", "... please"),
    ],
)
def test_what_may_be_a_piece_of_a_certificate_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


@settings(max_examples=500)
@given(st.lists(PIECES | st.just(HEX), max_size=12), st.integers(0, 30), st.integers(0, 3))
def test_no_message_holds_the_certificate(parts: list[str], cut: int, mode: int) -> None:
    text = "".join(parts)
    if mode:
        broken = HEX[:cut] + ("\n", " ", "\u200b")[mode - 1] + HEX[cut:]
        text = text.replace(HEX, broken)
    facts = read_email(text, ZONE)
    shown = repr(facts) + str(facts.times)
    pieces = [HEX[n : n + 8] for n in range(len(HEX) - 7)]
    assert not any(piece in shown for piece in pieces), text


def test_sentences_that_may_limit_the_times_are_shown_beside_their_reading() -> None:
    own = f"{FACTS}Best times: 10pm - 4am\nWe need Wednesdays for ourselves.\nHave a good one!\n"
    facts = read_email(own, ZONE)
    assert facts.times == "10pm - 4am"
    assert facts.passed_over == ("We need Wednesdays for ourselves.",)
    hidden = read_email(f"{own}Ticket {CERTIFICATE[:20]} of Friday\n", ZONE)
    assert CERTIFICATE[:8] not in str(hidden.passed_over)


@pytest.mark.parametrize(
    "sentence",
    [
        "I will be patching on Sundays 1am-3am.",
        "I'm sorry, Wednesdays are out.",
        "Correction: best times: 1am - 3am",
        "Sorry, I meant 1am - 3am",
        "Starting January 5 please use midnight - 3am instead.",
    ],
)
def test_what_takes_the_times_back_is_asked_about(sentence: str) -> None:
    facts = read_email(f"{FACTS}Best times: 10pm - 4am\n{sentence}\n", ZONE)
    assert facts.times is None
    assert "times" in facts.unread


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("You can pull between 10 PM\nand 4 AM.", "You can pull between 10 PM and 4 AM"),
        ("Best times: any time\nthanks", "any time"),
        ("Any time is fine, but please do not pull\nbetween 7am and 4pm.",
         "Any time is fine, but please do not pull between 7am and 4pm"),
    ],
)  # fmt: skip
def test_a_sentence_that_was_wrapped_is_put_together(lines: str, words: str) -> None:
    assert read_email(f"{FACTS}{lines}\n", ZONE).times == words


def test_what_is_struck_out_does_not_count() -> None:
    page = f"<html><body><p>{FACTS}</p><p>Best times: <s>8am - 4pm</s> 10pm - 4am</p></body></html>"
    assert read_email(text_of(page.encode()), ZONE).times == "10pm - 4am"
