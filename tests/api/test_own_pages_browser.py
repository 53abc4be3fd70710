"""The pages of a patient in a real browser: judged by axe, and photographed for whoever wants to look."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from gateway import config
from gateway.composition import create_gateway
from tests.api import people
from tests.api.conftest import Api
from tests.api.people import ANN
from tests.api.test_backend_service import running
from tests.api.test_signing_in_browser import PICTURES, Browser
from tests.summary.test_page import CHROMIUM

pytestmark = [pytest.mark.slow, pytest.mark.browser]
SIZES = {"desktop": (1280, 800), "phone": (390, 844), "400 %": (320, 640)}


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """A folder with axe, from npm."""
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("axe")
    if npm is None:
        pytest.skip("npm is not here")
    words = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "axe-core@4"]
    if subprocess.run(words, cwd=folder, capture_output=True, timeout=300, check=False).returncode:
        pytest.skip("axe cannot be installed here")
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory, data_dir) -> Iterator[str]:
    """The address of a sandbox in which three people asked for Ann's record."""
    folder = data_dir(tmp_path_factory.mktemp("site") / "data")
    with create_gateway(config.Settings(data_dir=folder), "sandbox") as gateway:
        people.fill(gateway.store)
        api = Api(gateway.store, folder)
        for user in ("dr-green", "dr-green", "dr-other", "nurse-ward"):
            api.ask("POST", "/record", user, data={"number": ANN})
        with running(api) as address:
            yield address
        api.close()


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_patient_signs_in_without_a_script_and_sees_who_looked(site, axe, chromium, size):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        context = started.new_context(viewport=dict(zip(("width", "height"), size)), java_script_enabled=False)
        plain = context.new_page()
        _sign_in(plain, site)
        plain.get_by_role("link", name="Who has looked at your record").click()
        plain.get_by_label("Period").select_option("365")
        plain.get_by_role("button", name="Show this period").click()
        assert "Quillbank Surgery" in plain.inner_text("main")
        judged = Browser(started.new_context(viewport=dict(zip(("width", "height"), size))).new_page(), axe)
        _sign_in(judged.page, site)
        judged.look("patient-home")
        for path in PAGES:
            judged.page.goto(site + path)
            judged.look(path.strip("/").replace("/", "-"))
            if PICTURES:
                judged.page.emulate_media(media="print")
                judged.page.screenshot(path=os.path.join(PICTURES, f"{path.strip('/').replace('/', '-')}-print.png"))
                judged.page.emulate_media(media="screen")
        started.close()


PAGES = ["/my/looked", "/my/choices"]


def _sign_in(page, site: str) -> None:
    page.goto(f"{site}/signin")
    page.get_by_label("User").select_option("patient")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Your record").wait_for()
