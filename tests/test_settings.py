"""Every setting is checked before the server says that it serves."""

import pytest

from gateway import config, feeds
from gateway.errors import Refused

WRONG = [
    "not-a-url", "ftp://x", "https://", "https://x:99999", "https://x/fhir?a=b", "https://x/#a", "https://user:word@x", "https://x y",
    "//x", "https://x\\y",
]  # fmt: skip


@pytest.mark.parametrize("url", WRONG)
def test_a_base_that_cannot_begin_a_link_is_refused(url):
    with pytest.raises(Refused, match="GATEWAY_BASE_URL"):
        config.read({"GATEWAY_BASE_URL": url})


@pytest.mark.parametrize(
    "url", ["", "https://records.example", "http://127.0.0.1:8000", "https://x.example/gateway/", "http://[::1]:80"]
)
def test_a_base_of_a_server_is_taken(url):
    assert config.read({"GATEWAY_BASE_URL": url}).base_url == url


@pytest.mark.parametrize(
    "text", [None, "a = [", "one = 1", '[one]\nencoding = "none-such"', '[one]\ndefualt = "withhold"']
)
def test_feeds_that_a_load_would_refuse_are_refused_before(tmp_path, text):
    path = tmp_path / "feeds.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Refused, match="GATEWAY_FEEDS"):
        feeds.check(config.Settings(feeds=path))


@pytest.mark.parametrize("text", ["*", "localhost", "127.0.0.1/33", "0.0.0.0/0", "::/0", "10.0.0.1/8", "127.0.0.1, x"])
def test_a_proxy_is_an_address_or_a_network_and_not_everybody(text):
    with pytest.raises(Refused, match="GATEWAY_TRUSTED_PROXIES"):
        config.read({"GATEWAY_TRUSTED_PROXIES": text})


@pytest.mark.parametrize(
    "text, proxies",
    [("", ()), ("127.0.0.1", ("127.0.0.1",)), (" 10.0.0.0/8,::1 , 192.0.2.7", ("10.0.0.0/8", "::1", "192.0.2.7"))],
)
def test_proxies_are_listed_with_commas(text, proxies):
    assert config.read({"GATEWAY_TRUSTED_PROXIES": text}).trusted_proxies == proxies
