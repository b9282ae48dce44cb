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
        ("https://host.org/api/aeries/Default.aspx", "https://host.org/api/aeries/api/v5"),
        ("https://host.org/admin/SecurityForAPI", "https://host.org/admin/api/v5"),
        ("https://host.org/aeries/(S(x1y2))/Login.aspx", "https://host.org/aeries/api/v5"),
        ("https://host.org/(S(x))/Login.aspx", "https://host.org/api/v5"),
        ("https://host.org/aeries/login.php?x=1", "https://host.org/aeries/api/v5"),
        ("https://host.org/aeries/Login.aspx.", "https://host.org/aeries/api/v5"),
        ("https://host.org/aeries, thanks", "https://host.org/aeries/api/v5"),
        ("host.org/aeries, thanks!", "https://host.org/aeries/api/v5"),
        ("HTTPS://HOST.ORG/AERIES/LOGIN.ASPX", "https://host.org/AERIES/api/v5"),
        ("Our site (https://host.org/aeries/).", "https://host.org/aeries/api/v5"),
        ("https://host.org/aeries\u200b", "https://host.org/aeries/api/v5"),
        ("\ufeffhttps://host.org/\u00adaeries/ ", "https://host.org/aeries/api/v5"),
        ("host.org/aeries\u00a0thanks", "https://host.org/aeries/api/v5"),
        ("https://host.org/aeries%20", "https://host.org/aeries/api/v5"),
        ("https://host.org/aeries/Default.aspx;jsessionid=1", "https://host.org/aeries/api/v5"),
        ("https:\\\\host.org\\aeries", "https://host.org/aeries/api/v5"),
        ("http://[::1]:8000/a", "http://[::1]:8000/a/api/v5"),
    ],
)
def test_any_page_of_the_site_leads_to_the_api_base(given_url: str, base: str) -> None:
    assert api_base(given_url) == base


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://host/aeries",
        "https://",
        "https://host:port/x",
        "soon",
        "kim@host.org",
        "https://a.org/x or https://b.org/y",
        "https://host.org/My Site/Login.aspx",
    ],
)
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


SITES = ("", "/aeries", "/aeries.net", "/api/aeries", "/Admin", "/a/b")
PAGES = (
    "",
    "/",
    "/Default.aspx",
    "/login.ASPX",
    "/SecurityForAPI",
    "/(S(q7))/Login.aspx",
    "/index.php",
    "/api",
    "/API/v5/",
    "/api/v5/schools/",
    "/Login.aspx?page=a.b/c#top",
)
AROUND = (
    "{}",
    " {} ",
    "<{}>",
    "{}.",
    "{}, thanks",
    "({})",
    '"{}"',
    "{};",
    "Address: {}",
    "{}\nKim",
)


@given(st.sampled_from(SITES), st.sampled_from(PAGES), st.sampled_from(AROUND), st.booleans())
def test_every_copied_form_leads_to_its_site(site: str, page: str, around: str, loud: bool) -> None:
    scheme = "HTTPS" if loud else "https"
    url = around.format(f"{scheme}://Eagle.Example:8443{site}{page}")
    assert api_base(url) == f"https://eagle.example:8443{site}/api/v5"


@pytest.mark.parametrize(
    "wrapped",
    [
        "https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Fa.example%2Faeries&data=5",
        "https://urldefense.com/v3/__https://a.example/aeries__;!!x",
        "https://protect-us.mimecast.com/s/abc?domain=a.example",
        "url.us.m.mimecastprotect.com/s/abc",
    ],
)
def test_a_mail_scanner_is_no_district(wrapped: str) -> None:
    with pytest.raises(ConfigurationError, match="leads to a mail scanner"):
        api_base(wrapped)
