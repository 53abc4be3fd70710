"""The privacy officer's pages in a real Chromium without scripts, each judged by axe (npm ``axe-core``)."""

import pytest

from gateway import config
from gateway.composition import create_gateway
from gateway.oversight import triage
from tests.api import people
from tests.api.conftest import Api, data_dir, issuer_key  # noqa: F401 (fixtures)
from tests.api.test_backend_service import running
from tests.api.test_signing_in_browser import Browser, browser, packages  # noqa: F401 (fixtures)
from tests.oversight.test_pages import NOTE, raised

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def site(tmp_path, data_dir):  # noqa: F811
    folder = data_dir(tmp_path / "data")
    with create_gateway(config.Settings(data_dir=folder), "sandbox") as gateway:
        people.fill(gateway.store)
        api = Api(gateway.store, folder)
        raised(api)
        with running(api) as address:
            yield address, gateway.store
        api.close()


def test_an_officer_signs_in_finds_an_alert_and_closes_it_by_keyboard(site, browser):  # noqa: F811
    (address, store), page = site, browser.page
    page.goto(f"{address}/alerts")
    assert "/signin" in page.url
    page.get_by_label("User").select_option("privacy-officer")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{address}/alerts")
    browser.look("alerts")
    page.get_by_role("link", name="Alert 1").click()
    page.get_by_text("How it was decided").click()
    browser.look("alert")
    page.get_by_label("closed").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type(NOTE)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Alert 1: closed").wait_for()
    browser.look("alert-closed")
    assert triage.every(store)[0].steps[-1].note == NOTE
