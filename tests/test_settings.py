"""Every setting is checked before the server says that it serves."""

import re
from pathlib import Path

import pytest

from gateway import config, feeds
from gateway.errors import Refused
from mappings import sources

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


SOURCES = Path(__file__).parents[1] / "mappings"
VALUES = {"encoding": '"cp1252"', "zone": '"Europe/London"', "default": '"withhold"'}


def documented(source: str) -> set[str]:
    """Return the keys of a feed that the README of a source has a table of, with those that its code names."""
    readme = (SOURCES / source / "README.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\| Setting\b[^\n]*\n\|[-|: ]+\n((?:\|[^\n]*\n)+)", readme, re.MULTILINE)
    return {key for table in tables for key in re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)}


@pytest.mark.parametrize("source", sorted(sources()))
def test_a_feed_with_every_key_that_a_source_documents_is_read(tmp_path, source):
    keys = sorted(documented(source) | sources()[source].settings | VALUES.keys())
    assert source not in ("hl7v2", "tpp") or len(documented(source)) > 3
    path = tmp_path / "feeds.toml"
    path.write_text("[ward]\n" + "".join(f"{key} = {VALUES.get(key, '{}')}\n" for key in keys))
    feed = feeds.read(config.Settings(feeds=path), "ward")
    assert feed.settings.keys() | VALUES.keys() == set(keys) and (feed.encoding, feed.default) == ("cp1252", "withhold")


def test_a_feed_that_listens_and_has_test_numbers_is_read(tmp_path):
    path = tmp_path / "feeds.toml"
    path.write_text(
        '[ward]\nauthority = "RXX"\ntest_numbers = ["3333333333"]\n[ward.listen]\nport = 2575\n'
        '[practice]\ndelimiter = "|"\norganisation = "A99777"\npartial = true\n'
    )
    feeds.check(config.Settings(feeds=path))
    assert feeds.read(config.Settings(feeds=path), "ward").settings["listen"] == {"port": 2575}


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
