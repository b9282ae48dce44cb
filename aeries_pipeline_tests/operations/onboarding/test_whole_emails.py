"""Whole e-mails through the command, with a certificate anywhere in them: it shows up nowhere."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import tempfile
from email.message import EmailMessage
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from aeries_pipeline.cli.main import main

PAGE = "https://sis.eagle.example/aeries/Login.aspx"
SECRETS = st.text("0123456789abcdef", min_size=32, max_size=33).filter(
    lambda text: len(set(text)) > 6 and re.search("[a-f]", text) and re.search(r"\d", text)
)
GAPS = ("", "\n", " ", "\r\n  ", "\u200b", "-", "=\n", "\u00ad", "</b><b>", " \n> ", ". ", "/")
PLACES = (
    "Certificate: {}",
    "Our certificate is {} and the best times are 10pm-4am.",
    "Best times: {} 10pm - 4am",
    "Best times: 10pm - 4am {}",
    "Best times: after hours {}",
    "Please do not pull {} at 3am",
    PAGE + "?cert={}",
    "https://{}@sis.eagle.example/aeries/",
    "https://sis.eagle.example/aeries/{}/Login.aspx",
    "https://sis.eagle.example/aeries{}",
    "{}",
    "> {}",
    "| Certificate | {} | 2am |",
    "Kim {} 555 0100",
    "mailto:{}@eagle.example",
)
OTHERS = (
    f"URL: {PAGE}",
    "Best times: weekends 8pm - 2am",
    "Best times: when it is quiet, 1-4",
    "office hours: 8am - 4pm",
    "Do not pull: Mon-Fri 7am-5pm",
    "-----Original Message-----",
    "Thank you,\nKim",
    "",
)
KINDS = ("text", "utf-16", "quoted-printable", "base64", "html", "multipart", "headers")


@st.composite
def emails(draw: st.DrawFn) -> tuple[bytes, str]:
    """An e-mail as it is saved, and the certificate in it, whole or in pieces."""
    secret = draw(SECRETS)
    lines = draw(st.lists(st.sampled_from(OTHERS), max_size=4))
    for place in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2)):
        few = st.sets(st.integers(1, len(secret) - 1), max_size=3).map(sorted)
        many = st.sampled_from([1, 2, 3, 4]).map(lambda n: list(range(n, len(secret), n)))
        cuts = draw(st.one_of(few, few, many))
        gap = draw(st.sampled_from(GAPS))
        shown = gap.join(secret[a:b] for a, b in zip([0, *cuts], [*cuts, len(secret)], strict=True))
        lines.insert(draw(st.integers(0, len(lines))), place.replace("{}", shown))
    text = "\n".join(lines) + "\n"
    kind = draw(st.sampled_from(KINDS))
    if kind == "text":
        return text.encode(), secret
    if kind == "utf-16":
        return text.encode("utf-16"), secret
    message = EmailMessage()
    message["From"], message["To"] = "kim@eagle.example", "data@county.example"
    message["Subject"] = f"Aeries {secret}" if kind == "headers" else "Aeries"
    message["Message-ID"] = "<a1b2c3d4e5f6a7b8c9d0e1f2a3b4@mail.example>"
    page = "<html><body>" + "".join(f"<p>{line}</p>" for line in lines) + "</body></html>"
    if kind == "html":
        message.set_content(page, subtype="html")
    else:
        message.set_content(text, cte="8bit" if kind in {"headers", "multipart"} else kind)
    if kind == "multipart":
        message.add_alternative(page, subtype="html")
        message.set_boundary("a-boundary-of-this-message")
    return message.as_bytes(), secret


def pieces_in(text: str, secret: str) -> list[str]:
    """Return the pieces of eight characters that a text holds, also with signs between them."""
    flat = re.sub(r"[^0-9A-Za-z]", "", text).lower()
    return [secret[n : n + 8] for n in range(len(secret) - 7) if secret[n : n + 8] in flat]


@settings(max_examples=150)
@given(email=emails(), accepts=st.booleans())
def test_a_certificate_is_in_its_own_file_and_nowhere_else(
    email: tuple[bytes, str], accepts: bool
) -> None:
    saved, secret = email
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            Path("mail.eml").write_bytes(saved)
            roster = Path(folder, "districts.yaml")
            result = CliRunner().invoke(
                main,
                ["add", "some-usd", "--name", "S", "--email", "mail.eml", *(["--yes"] * accepts)],
                env={"AERIES_DISTRICTS": str(roster), "AERIES_DATA_DIR": f"{folder}/data"},
            )
            held = {
                path: path.read_text(encoding="utf-8")
                for path in Path(folder).rglob("*")
                if path.is_file() and path.name != "mail.eml"
            }
            own = held.pop(Path(folder, "certificates", "some-usd.cert"), "").strip()
    finally:
        logging.getLogger().removeHandler(handler)
    assert not isinstance(result.exception, Exception), result.exception
    shown = [result.output, result.stderr, log.getvalue(), repr(result.exception), *held.values()]
    assert [pieces_in(text, secret) for text in shown] == [[]] * len(shown)
    # What the file holds is the certificate, or what the e-mail says and nobody could tell apart.
    assert not own or len(own) >= 32 or re.search("[g-z]", own), own


def test_the_check_finds_pieces() -> None:
    secret = "75747985e2b234bf78536cf349537178"  # pragma: allowlist secret
    assert pieces_in("7574-7985", secret) == ["75747985"]
    assert pieces_in("7574", secret) == []
    with pytest.raises(AssertionError):
        assert not pieces_in(f"x {secret}", secret)
