"""Find a patient by name, birth date and one thing more: one exact match or nothing, never a list or a count."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked, signing_in
from gateway.api.answer import page
from gateway.api.auth import Paged
from gateway.errors import Invalid
from gateway.fhir import build
from gateway.fhir.parse import parse
from gateway.nhs import access, identifiers, identity
from gateway.nhs.roles import Caller
from gateway.web.session_pages import found_page, home_page

router = APIRouter()
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
SEXES = ("female", "male", "other", "unknown")
NOT_ONE = (
    "No patient is shown for these details: not one match that is exact and that you may see. This does not mean that "
    "there is no record. The patient may be held under another spelling or birth date: use the NHS number."
)
"""Said of nobody, of several and of whom the caller may not see."""
NEEDED = "Enter family name, given name, birth date (year-month-day) and either sex or postcode."


@router.post("/find")
async def find_patient(request: Request, caller: Paged) -> Response:
    """The one patient of whom the caller may see that all these details are exact."""
    door, id_ = request.app.state.door, request.state.id
    await run_in_threadpool(records.refuse_early, door, caller, access.Act("search", "Patient"), id_)
    sent = await asked.form_body(request)
    return await run_in_threadpool(_find, request, caller, sent)


def _find(request: Request, caller: Caller, sent: bytes) -> Response:
    form = {name: value.strip() for name, value in signing_in.fields(sent).items()}
    signing_in.require_page_form(request, form)
    if not _is_whole(form):
        return _home(request, caller, NEEDED, 400)
    patients = [patient for patient in _candidates(request, caller, form) if _is_exact(patient, form)]
    if len(patients) != 1:
        return _home(request, caller, NOT_ONE, 404)
    return page(found_page(signing_in.bar_of(request, caller), _shown(patients[0], form), patients[0]["id"]))


def _is_whole(form: Mapping[str, str]) -> bool:
    named = all(form.get(name) for name in ("family", "given"))
    is_sex = form.get("sex", "") in ("", *SEXES)
    return (
        named and is_sex and bool(DAY.fullmatch(form.get("born", ""))) and bool(form.get("sex") or form.get("postcode"))
    )


def _candidates(request: Request, caller: Caller, form: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The Patients that a search of the API answers this caller with, decided and audited as that."""
    pairs = [("family", _literal(form["family"])), ("given", _literal(form["given"])), ("birthdate", form["born"])]
    try:
        query = parse("Patient", pairs)
        answer = records.search(request.app.state.door, caller, query, request.state.id)
    except Invalid:  # no such day, or too many people: said alike
        return
    if answer.next is None:
        yield from (build.decode(match.body) for match in answer.matches)


def _is_exact(patient: Mapping[str, Any], form: Mapping[str, str]) -> bool:
    """Whether a Patient has these details, but for case and spaces. FHIR matches the beginning of a name."""
    postcodes = {_plain(address.get("postalCode", "")).replace(" ", "") for address in patient.get("address", ())}
    is_there = not form.get("postcode") or _plain(form["postcode"]).replace(" ", "") in postcodes
    is_sex = not form.get("sex") or form["sex"] == patient.get("gender", "")
    return _named(patient, form) is not None and patient.get("birthDate") == form["born"] and is_there and is_sex


def _named(patient: Mapping[str, Any], form: Mapping[str, str]) -> Mapping[str, Any] | None:
    """The name of a Patient that is the one asked for, None where no name is that is in use."""
    for name in patient.get("name", ()):
        is_family = _plain(form["family"]) == _plain(name.get("family", ""))
        givens = (_plain(" ".join(_givens(name))), *map(_plain, _givens(name)[:1]))
        if name.get("use") != "old" and is_family and _plain(form["given"]) in givens:
            return name  # type: ignore[no-any-return]
    return None


def _givens(name: Mapping[str, Any]) -> list[str]:
    """The given names: in JSON a part that has only an extension is null."""
    return [part for part in name.get("given", ()) if part]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _literal(text: str) -> str:
    """A value as a search parameter means it to the letter: https://hl7.org/fhir/R4/search.html#escaping"""
    return re.sub(r"([\\,$|])", r"\\\1", text)


def _shown(patient: Mapping[str, Any], form: Mapping[str, str]) -> dict[str, str]:
    """What identifies a patient on the page: the name that was asked for, and an NHS number that is verified alone.
    A number that is not may be another person's."""
    name = _named(patient, form) or {}
    number = next(
        (number for number, grade in identity.of_patient(dict(patient)).grades if grade == identity.VERIFIED), ""
    )
    details = {
        "Name": f"{name.get('family', '').upper()}, {' '.join(_givens(name))}",
        "Born": patient.get("birthDate", ""), "Sex": patient.get("gender", "not known"),
        "Postcode": ", ".join(address["postalCode"] for address in patient.get("address", ()) if "postalCode" in address),
        "NHS number": identifiers.spaced(number) if number else "not verified",
    }  # fmt: skip
    return {title: words for title, words in details.items() if words.strip()}


def _home(request: Request, caller: Caller, why: str, status: int) -> Response:
    shown = home_page(
        signing_in.bar_of(request, caller), is_patient=False, may_see_quality=False, why=why,
        is_sandbox=request.app.state.door.store.is_sandbox,
    )  # fmt: skip
    return page(shown, status)
