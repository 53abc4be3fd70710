"""People in a real browser: they sign in at a real OpenID provider (npm ``oidc-provider``), select a role, look at a
record, and are signed out by the provider. Each page of the way is judged by axe (npm ``axe-core``)."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway import config
from gateway.composition import create_gateway
from gateway.nhs import sandbox
from gateway.signin.remote_keys import EMPTY_GAP
from tests.api import people
from tests.api.conftest import Api
from tests.api.people import ANN
from tests.api.test_backend_service import running
from tests.api.test_real_provider import free_port
from tests.summary.test_page import CHROMIUM

SCRIPT = Path(__file__).parents[1] / "signin" / "people_provider.mjs"
PACKAGES = ["oidc-provider@9", "axe-core@4"]
PICTURES = os.environ.get("PICTURES", "")
"""A folder into which each page is photographed, for somebody who wants to look at them."""
GREEN = {name: value for name, value in sandbox.claims("dr-green").items() if name != "selected_roleid"}
NURSE = {**sandbox.claims("nurse-ward")["nhsid_nrbac_roles"][0], "org_code": "A99002"}
PEOPLE = {
    "green": {**GREEN, "nhsid_nrbac_roles": [*GREEN["nhsid_nrbac_roles"], NURSE]},
    "kit": sandbox.claims("no-role"),
}
TABLE = """[real]
iss = "{url}"
audience = "gateway"
algorithms = ["RS256"]
discovery = "{url}/.well-known/openid-configuration"
organisations = ["A99001", "A99002"]
acr = ["AAL3_ANY"]
[real.pages]
client = "pages"
secret = "secret"
title = "the real provider"
scopes = ["openid", "nationalrbacaccess"]
"""
pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> Path:
    """A folder with the provider and axe, installed from npm."""
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("packages")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not here")
    words = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
    if subprocess.run(words, cwd=folder, capture_output=True, timeout=300, check=False).returncode:
        pytest.skip("the packages cannot be installed here")
    shutil.copy(SCRIPT, folder / SCRIPT.name)
    return folder


@contextmanager
def provider(folder: Path, port: int, gateway: str) -> Iterator[None]:
    words = ["node", SCRIPT.name, str(port), gateway, json.dumps(PEOPLE)]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            while (line := process.stdout.readline()) and line.strip() != "ready":
                pass
            assert line, "the provider does not start"
            yield
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def site(tmp_path_factory, data_dir, packages) -> Iterator[tuple[str, str]]:
    """The addresses of the gateway and of the provider."""
    folder, port = data_dir(tmp_path_factory.mktemp("site") / "data"), free_port()
    at_provider = f"http://127.0.0.1:{port}"
    (folder / "issuers.toml").write_text(TABLE.format(url=at_provider))
    (folder / "secret").write_text("a-secret-of-a-test")
    (folder / "secret").chmod(0o600)
    with create_gateway(config.Settings(data_dir=folder), "sandbox") as gateway:
        people.fill(gateway.store)
        api = Api(gateway.store, folder, issuers=folder / "issuers.toml")
        with running(api) as address, provider(packages, port, address):
            time.sleep(EMPTY_GAP)  # keys that could not be had before the provider stood are asked for again
            yield address, at_provider
        api.close()


class Browser:
    """A window, and what axe says of each page that is looked at."""

    def __init__(self, page, packages: Path):
        self.page, self.axe = page, (packages / "node_modules/axe-core/axe.min.js").read_text()

    def look(self, name: str) -> None:
        """Judge the page by WCAG 2.2 A and AA, and photograph it where somebody asked."""
        if PICTURES:
            self.page.screenshot(path=f"{PICTURES}/{name}-{self.page.viewport_size['width']}.png", full_page=True)
        self.page.evaluate(f"() => {{ {self.axe} }}")  # the page's policy lets no script of its own in
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
        result = self.page.evaluate("tags => axe.run({runOnly: tags})", tags)
        faults = [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in result["violations"]]
        assert faults == [], name
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.page.viewport_size["width"], name


@pytest.fixture(params=[1280, 390])
def browser(request, chromium, packages) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        context = started.new_context(viewport={"width": request.param, "height": 844})
        yield Browser(context.new_page(), packages)
        started.close()


def test_a_clinician_signs_in_selects_a_role_sees_a_record_and_is_signed_out_by_the_provider(site, browser):
    (address, at_provider), page = site, browser.page
    page.goto(address)
    assert page.url == f"{address}/signin"
    browser.look("sign-in")
    page.get_by_role("button", name="Continue to the real provider").click()
    page.wait_for_url(f"{at_provider}/**")
    page.get_by_role("button", name="green").click()
    page.wait_for_url(f"{address}/signin/role")
    browser.look("role")
    page.get_by_label("Clinical Practitioner at A99001").check()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{address}/")
    assert page.locator(".session").inner_text().startswith("GREEN, Asha (Dr)")
    browser.look("home")
    page.get_by_label("NHS number", exact=True).fill(f"{ANN[:3]} {ANN[3:6]} {ANN[6:]}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/record")
    assert page.locator(".banner .name").is_visible()
    browser.look("record")
    page.goto(f"{address}/record/unknown")
    browser.look("problem")
    (cookie,) = (cookie for cookie in page.context.cookies() if cookie["name"] == "session")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"
    away = page.context.new_page()
    away.goto(f"{at_provider}/session/end?client_id=pages")
    with away.expect_response(lambda answer: answer.request.method == "POST"):
        away.get_by_role("button", name="Yes").click()
    until = time.monotonic() + 20  # the provider waits for us no longer than 2.5 seconds
    while page.goto(address) and page.url != f"{address}/signin" and time.monotonic() < until:
        time.sleep(0.5)
    assert page.url == f"{address}/signin", "the provider's logout came by its own way"


def test_a_clinician_signs_out_here_and_at_the_provider(site, browser):
    (address, at_provider), page = site, browser.page
    page.goto(address)
    page.get_by_role("button", name="Continue to the real provider").click()
    page.get_by_role("button", name="green").click()
    page.get_by_label("Nurse at A99002").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{at_provider}/session/end**")
    page.get_by_role("button", name="Yes").click()
    page.wait_for_url(f"{address}/signin**")
    page.go_back()
    page.goto(address)
    assert page.url == f"{address}/signin"


def test_whom_the_provider_knows_without_a_role_is_told_so(site, browser):
    (address, _), page = site, browser.page
    page.goto(address)
    page.get_by_role("button", name="Continue to the real provider").click()
    page.get_by_role("button", name="kit").click()
    assert "You are not signed in: this gateway knows no role of yours." in page.locator(".problem").inner_text()
    browser.look("no-role")


def test_a_tester_signs_in_with_the_keyboard_alone_and_without_scripts(site, browser, chromium):
    (address, _), page = site, browser.page
    context = page.context.browser.new_context(viewport={"width": 1280, "height": 900}, java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.get_by_label("User").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")
    page.get_by_label("NHS number", exact=True).fill(ANN)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/record")
    assert page.locator(".banner .name").is_visible()
    context.close()
