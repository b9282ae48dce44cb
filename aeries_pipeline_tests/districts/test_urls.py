import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.urls import api_base


@pytest.mark.parametrize(
    ("given_url", "base"),
    [
        (
            "https://demo.aeries.net/aeries.net/SecurityForAPI.aspx",
            "https://demo.aeries.net/aeries.net/api/v5",
        ),
        ("https://demo.aeries.net/aeries/", "https://demo.aeries.net/aeries/api/v5"),
        ("https://demo.aeries.net/aeries/api/v5/", "https://demo.aeries.net/aeries/api/v5"),
        ("https://demo.aeries.net/aeries/api/v5/schools/", "https://demo.aeries.net/aeries/api/v5"),
        ("https://demo.aeries.net/Aeries/API", "https://demo.aeries.net/Aeries/api/v5"),
        ("demo.aeries.net/aeries", "https://demo.aeries.net/aeries/api/v5"),
        ("http://10.0.0.8:8080/x/Login.aspx?page=1#top", "http://10.0.0.8:8080/x/api/v5"),
        (
            "https://user:secret@host.org/aeries",  # pragma: allowlist secret
            "https://host.org/aeries/api/v5",
        ),
        (" <https://host.org/Aeries.NET/Login.ASPX> ", "https://host.org/Aeries.NET/api/v5"),
        ("https://host.org", "https://host.org/api/v5"),
        ("http://[::1]:8000/a", "http://[::1]:8000/a/api/v5"),
    ],
)
def test_any_page_of_the_site_leads_to_the_api_base(given_url: str, base: str) -> None:
    assert api_base(given_url) == base


@pytest.mark.parametrize("url", ["", "ftp://host/aeries", "https://", "https://host:port/x"])
def test_what_is_not_an_address_is_refused_with_advice(url: str) -> None:
    with pytest.raises(ConfigurationError, match="copy the address of any page"):
        api_base(url)


@given(
    st.from_regex(
        r"https://[a-z]{1,9}\.org(:[1-9][0-9]{1,3})?(/[A-Za-z.]{1,8}){0,3}/?", fullmatch=True
    )
)
def test_normalising_twice_changes_nothing(url: str) -> None:
    once = api_base(url)
    assert api_base(once) == once
    assert once.endswith("/api/v5")
