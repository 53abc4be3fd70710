"""A real SMART app in a real browser: HL7's client for browsers (npm ``fhirclient``) signs its user in at the sandbox,
on its own and launched from our page, reads the patient and the user, and refreshes its token."""

import functools
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import config
from gateway.composition import create_gateway
from tests.api import people
from tests.api.conftest import Api
from tests.api.people import ANN
from tests.api.test_backend_service import running
from tests.summary.test_page import CHROMIUM

APP = Path(__file__).parents[1] / "clients" / "smart_app.html"
CLIENT = "fhirclient@2.6.3"
pytestmark = [pytest.mark.slow, pytest.mark.browser]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> Iterator[str]:
    """The address of the app's page, which another server than ours has."""
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("app")
    if npm is None:
        pytest.skip("npm is not here")
    words = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", CLIENT]
    if subprocess.run(words, cwd=folder, capture_output=True, timeout=500, check=False).returncode:
        pytest.skip("fhirclient cannot be installed here")
    shutil.copy(folder / "node_modules/fhirclient/build/fhir-client.js", folder)
    shutil.copy(APP, folder / "index.html")
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory, data_dir, app) -> Iterator[str]:
    """The address of a sandbox whose API the app's origin may call."""
    folder = data_dir(tmp_path_factory.mktemp("launching") / "data")
    with create_gateway(config.Settings(data_dir=folder), "sandbox") as gateway:
        people.fill(gateway.store)
        api = Api(gateway.store, folder, cors_origins=(app,))
        with running(api) as address:
            yield address
        api.close()


@pytest.fixture
def page(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield browser.new_page()
        browser.close()


def read_by_the_app(page) -> dict:
    page.wait_for_function("document.getElementById('state')?.textContent.startsWith('{')", timeout=60_000)
    return json.loads(page.locator("#state").inner_text())


SEEN = {"name": "Ames", "user": "GREEN, Asha (Dr)", "kind": "Practitioner", "refreshed": True, "banner": True,
        "results": "Bundle", "other": 404}  # fmt: skip


def check(told: dict) -> None:
    assert {name: told.get(name) for name in SEEN} == SEEN, told
    assert told["patient"] == told["again"]


def test_an_app_that_is_opened_on_its_own_reads_the_patient_whom_its_user_chose(page, app, sandbox):
    page.goto(f"{app}/index.html?iss={sandbox}/fhir")
    page.get_by_label("User").select_option("dr-green")
    page.get_by_label("NHS number of the patient").fill(ANN)
    page.get_by_role("button", name="Sign in").click()
    check(read_by_the_app(page))


def test_an_app_that_our_page_opens_reads_the_patient_of_that_page(page, app, sandbox):
    page.goto(sandbox)
    page.get_by_label("User").select_option("dr-green")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Address at which the app is launched").fill(f"{app}/index.html")
    page.get_by_label("NHS number of the patient").fill(ANN)
    page.get_by_role("button", name="Open the app").click()
    page.get_by_role("button", name="Continue").click()
    check(read_by_the_app(page))
