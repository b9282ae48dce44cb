import pickle
import traceback

import pytest

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
