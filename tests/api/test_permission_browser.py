"""Permission to view in a real browser without scripts, with axe's judgement of each page (npm ``axe-core``)."""

import pytest

from gateway import config
from gateway.composition import create_gateway
from tests.api import people
from tests.api.conftest import Api
from tests.api.people import AMY, ANN
from tests.api.test_backend_service import running
from tests.api.test_signing_in_browser import browser, packages

__all__ = ["browser", "packages"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def address(tmp_path_factory, data_dir):
    folder = data_dir(tmp_path_factory.mktemp("site") / "data")
    with create_gateway(config.Settings(data_dir=folder), "sandbox") as gateway:
        people.fill(gateway.store)
        api = Api(gateway.store, folder)
        with running(api) as place:
            yield place
        api.close()


def test_a_clinician_breaks_the_glass_and_is_told_who_is_alerted_first(address, browser):
    page = browser.page
    page.goto(address)
    page.get_by_label("User").select_option("dr-ward")
    page.get_by_role("button", name="Sign in").click()
    browser.look("find")
    page.get_by_label("NHS number", exact=True).first.fill(AMY if page.viewport_size["width"] > 390 else ANN)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/record")
    assert page.locator("input[name=basis]:checked").count() == 0
    browser.look("permission")
    page.get_by_label("The patient cannot be asked").check()
    page.get_by_label("Reason").fill("found collapsed, cannot speak")
    page.get_by_role("button", name="Continue").click()
    assert "privacy officers of RZZ" in page.locator(".notice").inner_text()
    browser.look("permission-check")
    page.get_by_role("button", name="Confirm and alert the privacy officers").click()
    browser.look("permission-recorded")
    page.get_by_role("button", name="Show the record").click()
    assert page.locator(".banner .name").is_visible()
