"""The data quality page: for operators, audited, and nobody is on it."""

import datetime

from gateway.records.quality import CAUSES
from gateway.web.quality_page import quality_page
from tests.api.people import ANN, uid


def test_the_page_is_for_operators_names_nobody_and_is_audited(clinic):
    answer = clinic.ask("GET", "/quality", "admin", {"accept": "text/html"})
    assert answer.status_code == 200 and "script" not in answer.headers["content-security-policy"]
    text = answer.text
    assert text.count("<svg") and ANN not in text and uid(1) not in text and "<script" not in text
    assert clinic.ask("GET", "/quality", "admin", {"accept": "application/json"}).json()["publishers"]
    before = len(clinic.audit())
    assert clinic.get("/quality", "dr-green").status_code == 403 and clinic.get("/quality", "").status_code == 401
    assert [(event["act"], event["outcome"]) for event in clinic.audit()[before:]] == [("quality", "refused")]


def test_a_name_that_a_publisher_sent_is_words_on_the_page():
    row = {
        "source": "emis", "publisher": "x", "ods": "", "name": "<b>x</b>", "kind": "gp", "patients": 1,
        "withNhsNumber": 1, "gathered": 0, "notGathered": 0, "listSize": 90, "statedListSize": 100, "concepts": 10,
        "coded": 7, "ageSeconds": 300_000,
    }  # fmt: skip
    page = quality_page([row], [], datetime.datetime(2026, 3, 1), CAUSES)
    assert "<b>x</b>" not in page and "&lt;b&gt;" in page and "(-10.0%)" in page and page.count(">look<") == 2
    assert "late" in page
