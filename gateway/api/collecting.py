"""Operations that collect what is held of one person, from all who hold some of it: ``$everything``, ``$docref``,
``$lastn``."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked, parameters
from gateway.api.answer import Form
from gateway.api.auth import Known
from gateway.api.parameters import Pairs
from gateway.errors import Invalid, Unsupported
from gateway.fhir import build, bundle, coded, docref, lastn, params
from gateway.fhir.parse import known
from gateway.fhir.portion import between, portion
from gateway.fhir.subset import Subset, by_type
from gateway.nhs.access import Act
from gateway.nhs.roles import Caller

router = APIRouter(prefix="/fhir")
EVERYTHING = {
    "_since": ("valueInstant", "valueDateTime"),
    "_type": ("valueCode", "valueString"),
    "_count": ("valueInteger", "valuePositiveInt"),
    "start": ("valueDate", "valueDateTime"),
    "end": ("valueDate", "valueDateTime"),
    "_elements": ("valueString",),
}
"""The parameters of each operation, and how each may be typed."""
DOCREF = {
    "patient": ("valueId", "valueString", "valueReference"),
    "start": ("valueDate", "valueDateTime"),
    "end": ("valueDate", "valueDateTime"),
    "type": ("valueCodeableConcept", "valueCoding", "valueString"),
    "on-demand": ("valueBoolean",),
}
LASTN = {
    "patient": ("valueId", "valueString", "valueReference"),
    "subject": ("valueId", "valueString", "valueReference"),
    "category": ("valueString", "valueCodeableConcept", "valueCoding"),
    "code": ("valueString", "valueCodeableConcept", "valueCoding"),
    "max": ("valuePositiveInt", "valueInteger"),
}
_ID = re.compile(r"(?:Patient/)?([A-Za-z0-9\-.]{1,64})\Z")
_MOST_OF_CODE = re.compile(r"[1-9][0-9]{0,2}\Z", re.ASCII)


@router.get("/Patient/{id_}/$everything")
def everything(id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/patient-operation-everything.html: the record of the person of one Patient, in pages."""
    return _everything(request, caller, id_, asked.in_query(request))


@router.post("/Patient/{id_}/$everything")
async def everything_by_post(id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/patient-operation-everything.html: the same, as many clients invoke operations."""
    sent = await _sent(request, caller, Act("everything", "Patient"))
    pairs = await run_in_threadpool(lambda: parameters.in_body(request, sent, EVERYTHING))
    return await run_in_threadpool(lambda: _everything(request, caller, id_, pairs))


@router.get("/DocumentReference/$docref")
def documents(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/us/core/OperationDefinition-docref.html: a person's documents, newest first, each with the
    address of its content."""
    return _documents(request, caller, asked.in_query(request))


@router.post("/DocumentReference/$docref")
async def documents_by_post(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/us/core/OperationDefinition-docref.html: the same, as many clients invoke operations."""
    sent = await _sent(request, caller, Act("search", "DocumentReference"))
    return await run_in_threadpool(lambda: _documents(request, caller, parameters.in_body(request, sent, DOCREF)))


@router.get("/Observation/$lastn")
def newest(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/observation-operation-lastn.html: a person's newest observations of each code."""
    return _newest(request, caller, asked.in_query(request))


@router.post("/Observation/$lastn")
async def newest_by_post(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/observation-operation-lastn.html: the same, as many clients invoke operations."""
    sent = await _sent(request, caller, Act("search", "Observation"))
    return await run_in_threadpool(lambda: _newest(request, caller, parameters.in_body(request, sent, LASTN)))


async def _sent(request: Request, caller: Caller, act: Act) -> bytes:
    """The bytes of the body. A role that may not do the act is refused before they are read."""
    await run_in_threadpool(records.refuse_early, request.app.state.door, caller, act, request.state.id)
    return await asked.body(request, parameters.most(request))


def _everything(request: Request, caller: Caller, id_: str, pairs: Pairs) -> Response:
    form = Form(request, pairs)
    parts = by_type(pairs, params.SEARCHABLE)
    page = records.everything(request.app.state.door, caller, id_, portion(pairs, "_elements"), request.state.id)
    path = f"Patient/{id_}/$everything"
    shown = [pair for pair in pairs if pair[0] != "_cursor"]
    return form.answer(
        bundle.collected(
            request.app.state.base, path, shown, _parts(page.matches, parts), _parts(page.included, parts), page.next,
            page.here,
        )
    )  # fmt: skip


def _parts(versions: list[records.Found], parts: dict[str, Subset]) -> list[records.Found]:
    """The versions, of each the part that is asked for of its type."""
    return [
        replace(version, body=parts[version.type].part(version.body, version.type))
        if version.type in parts
        else version
        for version in versions
    ]


def _documents(request: Request, caller: Caller, pairs: Pairs) -> Response:
    form = Form(request, pairs)
    known(pairs, *DOCREF)
    if any(name == "on-demand" and value != "false" for name, value in pairs):
        raise Unsupported("parameter on-demand: no document is made on demand")
    patient, (start, end), types = _patient(pairs, "patient"), between(pairs), coded.asked(pairs, "type")

    base = request.app.state.base

    def look(body: bytes, low: int) -> int | None:
        """When the care was that a fitting document is about."""
        document = build.elements(body, "type", "date", "context")
        fits = coded.has(document.get("type", []), types) and docref.is_within(document, start, end)
        return (docref.care(document) or (low, 0))[0] if fits else None

    def shape(body: bytes) -> bytes:
        return build.encode(docref.referring(build.decode(body), base))

    shown = _chosen(
        request, caller, "DocumentReference", patient, records.Choice(look, docref.newest_first, shape), pairs
    )
    return form.answer(bundle.collected(base, "DocumentReference/$docref", pairs, shown, []))


def _newest(request: Request, caller: Caller, pairs: Pairs) -> Response:
    form = Form(request, pairs)
    known(pairs, *LASTN)
    most = [value for name, value in pairs if name == "max"] or ["1"]
    if len(most) != 1 or not _MOST_OF_CODE.match(most[0]):
        raise Invalid("parameter max")
    patient = _patient(pairs, "patient", "subject")
    wanted = [(name, coded.asked(pairs, name)) for name in ("category", "code")]

    def look(body: bytes, low: int) -> tuple[dict[str, Any], int] | None:
        observation = build.elements(body, "status", "code", "category")
        fits = all(coded.has(observation.get(name, []), codes) for name, codes in wanted)
        return (observation, low) if fits else None

    choice = records.Choice(look, lambda fitting: lastn.last(fitting, int(most[0])))
    shown = _chosen(request, caller, "Observation", patient, choice, pairs)
    return form.answer(bundle.collected(request.app.state.base, "Observation/$lastn", pairs, shown, []))


def _chosen(
    request: Request, caller: Caller, type_: str, patient: str, choice: records.Choice, pairs: Pairs
) -> list[records.Found]:
    names = [name for name, _ in pairs]
    return records.chosen(request.app.state.door, caller, type_, patient, choice, request.state.id, names)


def _patient(pairs: Pairs, *names: str) -> str:
    """The id of the one Patient that is named."""
    values = [value for name, value in pairs if name in names]
    match = _ID.match(values[0]) if len(values) == 1 else None
    if match is None:
        raise Invalid(f"parameter {names[0]}: one Patient is needed")
    return match[1]
