"""The summary as a page: every word in its place without a script, and the same in a real browser."""

import html
import io
import re
import socket
import threading
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gateway.nhs import access, summary
from gateway.nhs.summary import completeness
from gateway.summary.document import summary_bundle
from gateway.summary.page import summary_page
from tests.nhs.records import ALL, TRUST, absence, allergy, held, nil, patient, record
from tests.summary.person import HARMFUL, person

GOLDEN = Path(__file__).parents[1] / "golden" / "summary"
CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip


class Outline(HTMLParser):
    """What a screen reader and a browser would go by: elements, headings, ids and links."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def tags(self, *names: str) -> list[dict]:
        return [attributes for tag, attributes in self.found if tag in names]

    def headings(self) -> list[int]:
        return [int(tag[1]) for tag, _ in self.found if re.fullmatch("h[1-6]", tag)]


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def risk(page: str) -> str:
    return words(re.search(r'<section class="risk.*?</section>', page, re.DOTALL)[0])


def test_the_page_of_a_person_with_something_in_every_section(golden):
    golden(GOLDEN / "person.html", summary_page(person()))


def test_the_page_needs_no_script_and_nothing_from_elsewhere():
    outline = Outline(summary_page(person()))
    assert not outline.tags("script", "iframe", "object", "form")
    links = [value for _, attributes in outline.found for name, value in attributes.items() if name in ("src", "href")]
    assert {link for link in links if not link.startswith("#")} == {"/static/gateway.css", "/static/gateway.svg"}
    assert not [
        name for _, attributes in outline.found for name in attributes if name.startswith("on") or name == "style"
    ]


@pytest.mark.parametrize("made", [person(), record(), record(sections=frozenset())], ids=["full", "empty", "no right"])
def test_the_page_has_landmarks_headings_in_order_and_tables_with_captions_and_heads(made):
    page = summary_page(made)
    outline = Outline(page)
    assert outline.tags("html")[0]["lang"] == "en-GB"
    assert [len(outline.tags(name)) for name in ("main", "header", "footer", "nav", "h1", "title")] == [1] * 6
    steps = outline.headings()
    assert steps[0] == 1 and all(after <= before + 1 for before, after in zip(steps, steps[1:]))
    tables = re.findall(r"<table.*?</table>", page, re.DOTALL)
    assert all("<caption" in table and 'scope="col"' in table for table in tables)
    assert all(
        'scope="row"' in row
        for table in tables
        for row in re.findall(r"<tr>.*?</tr>", table.partition("<tbody>")[2], re.DOTALL)
    )
    ids = [attributes["id"] for _, attributes in outline.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {attributes["aria-labelledby"] for _, attributes in outline.found if "aria-labelledby" in attributes}
    assert named | {link["href"][1:] for link in outline.tags("a")} <= set(ids)


def test_words_of_a_source_cannot_become_markup():
    page = summary_page(person())
    assert HARMFUL not in page and "&lt;script&gt;" in page


@pytest.mark.hazard("HZ-SUMMARY-22")
@pytest.mark.parametrize(
    "given, said, not_said",
    [
        (record(allergy()), "Allergy to penicillin", absence("nilknown")),
        (record(nil()), absence("nilknown") + " No known allergies", absence("no-content-recorded")),
        (
            record(nil(code="409137002", words="No known drug allergies")),
            absence("nil-in-part") + " No known drug allergies",
            absence("nilknown"),
        ),
        (
            record(nil(), held(allergy(), TRUST)),
            "No known allergies contradicted by another entry",
            absence("nilknown"),
        ),
        (record(), absence("no-content-recorded"), absence("nilknown")),
        (record(contributions=()), absence("unavailable"), absence("no-content-recorded")),
        (record(allergy(), sections=ALL - {"allergies"}), access.NOT_YOUR_ROLE, "penicillin"),
    ],
)
def test_the_risk_box_says_what_is_known_of_allergies_and_no_more(given, said, not_said):
    found = risk(summary_page(given))
    assert said in found and not_said not in found


def test_every_absence_has_a_look_of_its_own():
    css = (Path(__file__).parents[2] / "gateway/web/static/gateway.css").read_text(encoding="utf-8")
    page = summary_page(record())
    assert f'class="absence no-content-recorded">{absence("no-content-recorded")}' in page
    assert [
        reason for reason in summary.ABSENCES if reason != "no-content-recorded" and f".absence.{reason}" not in css
    ] == []


def test_notices_stand_above_the_risk_box_and_only_when_there_are_any():
    page = words(summary_page(person()))
    assert page.index(access.WITHHELD) < page.index(completeness.MISMATCH) < page.index("Known allergies")
    assert "Notices" not in words(summary_page(record()))


def test_page_and_document_say_what_no_section_shows():
    page, document = summary_page(record()), summary_bundle(record())
    for words_ in completeness.HOW_TO_READ:
        assert (
            words_ in html.unescape(page) and words_ in document["entry"][0]["resource"]["section"][-1]["text"]["div"]
        )


def test_the_page_says_who_saw_it_when_and_where_the_patient_is_registered():
    page = words(summary_page(record()))
    assert (
        "Shown to Printed by GREEN, Asha (Dr), A99001, 15-Mar-2026 10:30 GMT. Every view is audited. Registered with "
        "Quillbank Surgery." in page
    )


def test_the_application_serves_the_page_with_a_policy_that_lets_nothing_else_in(served):
    headers = {"Authorization": f"Bearer {served.token('dr-green')}", "Accept": "text/html"}
    number = served.world.people["demo"].nhs_number
    answer = TestClient(served.app).post("/fhir/Patient/$summary", data={"identifier": number}, headers=headers)
    assert answer.status_code == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert answer.headers["cache-control"] == "no-store"
    assert number not in answer.text and f"{number[:3]} {number[3:6]} {number[6:]}" in answer.text


# In a real browser


@pytest.mark.parametrize("accept, kind", [("text/*", "text/html"), ("text/*;q=0.5, application/json", "application/fhir+json"),
                                          ("text/*, */*;q=0.1", "text/html"), ("application/*", "application/fhir+json")])  # fmt: skip
def test_a_range_of_text_asks_for_the_page(served, accept, kind):
    number = served.world.people["demo"].nhs_number
    headers = {"Authorization": f"Bearer {served.token('dr-green')}", "Accept": accept}
    answer = TestClient(served.app).post("/fhir/Patient/$summary", data={"identifier": number}, headers=headers)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)


@pytest.fixture(scope="module")
def address(served):
    """The application on a port of this machine."""
    import uvicorn

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(served.app, host="127.0.0.1", port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(100):
        if server.started:
            break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield started
        started.close()


@pytest.fixture
def opened(browser, address, served):
    """Open the summary of the demo's person as a user in a window; what went wrong or elsewhere is collected."""
    contexts = []

    def open_(user: str = "dr-green", width: int = 1280, script: bool = True, height: int = 900):
        headers = {"Authorization": f"Bearer {served.token(user)}", "Accept": "text/html"}
        context = browser.new_context(
            viewport={"width": width, "height": height}, extra_http_headers=headers, java_script_enabled=script
        )
        contexts.append(context)
        page = context.new_page()
        page.wrong, page.asked = [], []
        page.on("console", lambda message: page.wrong.append(message.text))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        subject = TestClient(served.app).post(
            "/fhir/Patient/$summary", data={"identifier": served.world.people["demo"].nhs_number}, headers={**headers, "Accept": "*/*"}
        ).json()["entry"][0]["resource"]["subject"]["reference"]  # fmt: skip
        page.status = page.goto(f"{address}/fhir/{subject}/$summary").status
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.mark.browser
@pytest.mark.parametrize("script", [True, False])
def test_a_clinician_sees_the_banner_and_every_section_and_nothing_is_asked_of_elsewhere(opened, address, script):
    page = opened(script=script)
    assert page.status == 200 and page.title() == "Shared record – NHS record gateway"
    assert page.locator(".banner").inner_text().split("\n")[0] == "NORRIDGE, Joan Jean (Mrs)"
    for said in ("18-Dec-1947 (78y)", "Female", "999 000 0018"):
        assert page.locator(".banner").get_by_text(said, exact=True).is_visible()
    titles = page.locator("main section h2").all_inner_texts()
    for kind in completeness.GRID:
        assert any(title.startswith(kind.title) for title in titles)
    assert page.wrong == []
    assert {url for url in page.asked if not url.startswith(address)} == set()


FIRST_SCREEN = (
    "Known allergies",
    "Resuscitation and care plans",
    "High-risk medicines",
    "Implants",
    "Now",
    "Medicines",
    "Significant problems",
)


@pytest.mark.browser
@pytest.mark.hazard("HZ-SUMMARY-44")
def test_what_resuscitation_needs_stands_on_the_first_screen(opened):
    """1280 × 800, before any scrolling: allergies, medicines, significant problems, now and the risk card, to the last
    line of each."""
    page = opened(height=800)
    for heading in FIRST_SCREEN:
        assert page.get_by_role("heading", name=heading, exact=True).bounding_box()["y"] < 760
    for part in (".risk", ".now", ".current", ".significant"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= 800, part
    assert page.locator(".current").get_by_text("Metformin 500mg tablets").is_visible()
    assert page.locator(".risk").get_by_text("Allergy to penicillin", exact=True).is_visible()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_the_page_fits_its_window_and_the_banner_stays_in_sight(opened, width):
    page = opened(width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#s-social-care").scroll_into_view_if_needed()
    page.evaluate("window.scrollTo(0, document.body.scrollHeight / 2)")
    box = page.locator(".banner").bounding_box()
    assert box["y"] == 0 and page.locator(".banner .name").is_visible()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 320])
def test_a_link_to_a_section_does_not_hide_its_heading_under_the_banner(opened, width):
    page = opened(width=width)
    page.get_by_role("link", name="Current repeat medicines").click()
    banner, heading = page.locator(".banner").bounding_box(), page.locator("#s-repeat").bounding_box()
    assert heading["y"] >= banner["y"] + banner["height"]


@pytest.mark.browser
def test_at_400_per_cent_no_focused_link_lies_under_the_banner(browser):
    """https://www.w3.org/TR/WCAG22/#focus-not-obscured-minimum: 1280 × 1024 at 400 %, a long name, backwards."""
    css = (Path(__file__).parents[2] / "gateway/web/static/gateway.css").read_text(encoding="utf-8")
    family = {"family": "Featherstonehaugh-Cholmondeley", "given": ["Wilhelmina", "Philippa"], "prefix": ["Professor"]}
    made = summary_page(record(patients=(patient(name=[family]),)))
    context = browser.new_context(viewport={"width": 320, "height": 256})
    page = context.new_page()
    page.set_content(made.replace('<link rel="stylesheet" href="/static/gateway.css">', f"<style>{css}</style>"))
    seen = page.evaluate("""() => [...document.querySelectorAll('nav a')].reverse().map(link => {
      link.focus();
      const box = link.getBoundingClientRect(), banner = document.querySelector('.banner').getBoundingClientRect();
      return box.bottom > Math.max(banner.bottom, 0) && box.top < innerHeight; })""")
    assert len(seen) > 10 and all(seen)
    context.close()


@pytest.mark.browser
def test_text_has_the_contrast_that_wcag_asks_for(opened, page_person):
    for page in (opened(), page_person):
        assert page.evaluate(CONTRAST) == []


@pytest.mark.browser
def test_the_skip_link_comes_first_and_leads_to_the_record(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.browser
@pytest.mark.hazard("HZ-SUMMARY-23")
@pytest.mark.hazard("HZ-SUMMARY-52")
def test_every_printed_page_has_the_banner_who_printed_it_and_its_number(opened):
    from pypdf import PdfReader

    page = opened()
    pages = PdfReader(io.BytesIO(page.pdf(format="A4", prefer_css_page_size=True))).pages
    assert len(pages) > 2
    for number, each in enumerate(pages, 1):
        text = " ".join(each.extract_text().split())
        assert "NORRIDGE, Joan Jean (Mrs)" in text and "999 000 0018" in text and "Printed by GREEN, Asha (Dr)" in text
        assert f"Page {number} of {len(pages)}" in text
    first, second = (" ".join(each.extract_text().split()) for each in pages[:2])
    side = ("As known at 01-Mar-2026 12:00 GMT", "Known allergies", "Next of kin and carer", "Now", "Metformin 500mg tablets",
            "Significant problems", "Asthma")  # fmt: skip
    assert [said for said in side if said not in first] == []
    assert "Latest results of each test" in second and "As known at" not in second


@pytest.mark.browser
def test_a_receptionist_gets_no_page(opened, address, served, browser):
    context = browser.new_context(
        extra_http_headers={"Authorization": f"Bearer {served.token('receptionist')}", "Accept": "text/html"}
    )
    page = context.new_page()
    assert page.goto(f"{address}/fhir/Patient/unknown/$summary").status in (403, 404)
    assert "NORRIDGE" not in page.content()
    context.close()


@pytest.fixture
def page_person(browser, address):
    """The page of the person with something in every section, with its style, in a browser."""
    css = (Path(__file__).parents[2] / "gateway/web/static/gateway.css").read_text(encoding="utf-8")
    context = browser.new_context()
    page = context.new_page()
    page.set_content(
        summary_page(person()).replace('<link rel="stylesheet" href="/static/gateway.css">', f"<style>{css}</style>")
    )
    yield page
    context.close()


CONTRAST = """() => {
  const parse = c => { const m = c.match(/[\\d.]+/g).map(Number); return m.length > 3 ? m : [...m, 1]; };
  const light = ([r, g, b]) => {
    const f = v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
    return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
  const ground = e => {
    for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] > 0) return c; }
    return [255, 255, 255, 1]; };
  const low = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement, style = getComputedStyle(element);
    if (!walk.currentNode.textContent.trim() || style.display === 'none') continue;
    const [a, b] = [light(parse(style.color)), light(ground(element))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if ((a + .05) / (b + .05) < (large ? 3 : 4.5)) low.push(walk.currentNode.textContent.trim());
  }
  return low;
}"""
