import pickle
import sys
import traceback
from pathlib import Path

import pytest

from aeries_pipeline.districts.certificates import from_command, words_of
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.districts.secret import Certificate
from aeries_pipeline.ingest.api.client import AeriesClient

VALUE = "477abe9E7d27439681d62f4e0de1f5e1x"


def test_no_textual_form_shows_the_certificate() -> None:
    certificate = Certificate(f"  {VALUE}\n")
    client = AeriesClient("https://host.org/aeries", certificate)
    for text in (
        repr(certificate),
        str(certificate),
        f"{certificate}",
        repr(client),
        str([client]),
    ):
        assert VALUE not in text
    assert certificate.reveal() == VALUE


def test_it_cannot_be_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Certificate(VALUE))


@pytest.mark.parametrize("value", ["", "   ", "two words", "zwölf", "line\nbreak"])
def test_what_cannot_be_a_header_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(ValueError, match="the certificate") as caught:
        Certificate(value)
    text = "".join(traceback.format_exception_only(caught.value))
    assert not value.strip() or value.strip() not in text


COMMAND = [sys.executable, "-c"]


def test_a_command_prints_the_certificate_and_is_given_no_shell() -> None:
    assert from_command("eagle-usd", [*COMMAND, f"print('{VALUE}')"]).reveal() == VALUE
    assert words_of("vault kv get -field='a b' x") == ["vault", "kv", "get", "-field=a b", "x"]
    assert from_command("eagle-usd", ["echo", "$HOME;ls"]).reveal() == "$HOME;ls"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (f"print('{VALUE}'); raise SystemExit(3)", "it ended with status 3"),
        ("print()", "the certificate is empty"),
        ("print('two words')", "white space"),
    ],
)
def test_a_command_that_fails_is_named_and_nothing_that_it_prints(code: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        from_command("eagle-usd", [*COMMAND, code])
    assert "eagle-usd" in str(caught.value)
    assert VALUE not in str(caught.value)
    with pytest.raises(ConfigurationError, match="it cannot be run"):
        from_command("eagle-usd", ["no-such-program-here"])


def test_the_roster_names_one_place_of_a_certificate(tmp_path: Path) -> None:
    path = tmp_path / "districts.yaml"
    entry = "{id: eagle-usd, name: Eagle, url: https://eagle.example/aeries, schools: [1], "
    path.write_text(f"districts: [{entry} certificate_command: echo {VALUE}}}]")
    assert load_roster(path).get("eagle-usd").certificate().reveal() == VALUE
    path.write_text(f"districts: [{entry} certificate_command: [echo], certificate_env: X}}]")
    with pytest.raises(ConfigurationError, match="one of them"):
        load_roster(path)
