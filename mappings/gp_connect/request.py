"""ProcedureRequest (diary entries, tests asked for) and ReferralRequest to ServiceRequest."""

from __future__ import annotations

from typing import Any

from mappings.emis.codes import DEGRADED_ALLERGY
from mappings.emis.request import REFERRAL
from mappings.gp_connect.concepts import with_text
from mappings.gp_connect.medication import on_behalf, requester
from mappings.gp_connect.stu3 import Sent
from mappings.vocabulary import UK_CORE

PROFILE = UK_CORE + "UKCore-ServiceRequest"
LOST = {**DEGRADED_ALLERGY, "code": "196431000000106", "display": "Transfer-degraded referral"}


def to_procedure_request(sent: Sent) -> list[dict[str, Any]]:
    """Return the ServiceRequest of a diary entry (a plan) or of a test that was asked for."""
    code = with_text(sent.one("code") or {}) or {"text": "Request without a code"}
    priority = sent.text("priority")
    request = sent.built(
        "ServiceRequest",
        PROFILE,
        identifier=sent.identifiers(),
        basedOn=sent.many("basedOn"),
        replaces=sent.many("replaces"),
        requisition=sent.one("requisition"),
        status=sent.text("status") or "unknown",
        intent=intent(sent),
        category=sent.many("category"),
        priority=priority,
        doNotPerform=sent.one("doNotPerform") or None,
        code=code,
        subject=sent.subject(),
        encounter=sent.encounter(),
        **sent.choice("occurrence"),
        **sent.choice("asNeeded"),
        authoredOn=sent.text("authoredOn"),
        requester=requester(sent),
        performerType=sent.one("performerType"),
        performer=sent.many("performer"),
        reasonCode=sent.many("reasonCode"),
        reasonReference=[*sent.many("reasonReference"), *sent.problems()],
        supportingInfo=sent.many("supportingInfo"),
        specimen=sent.many("specimen"),
        bodySite=sent.many("bodySite"),
        note=[*sent.many("note"), *({"text": text} for text in on_behalf(sent))],
    )
    return [request]


def to_referral(sent: Sent) -> list[dict[str, Any]]:
    """Return the ServiceRequest of a referral. GP Connect codes it as its reason where it does not say what service is
    asked for."""
    services, reasons = ([with_text(item) for item in sent.many(name)] for name in ("serviceRequested", "reasonCode"))
    kind = sent.one("type")
    said = [sent.text("description"), *on_behalf(sent)]
    request = sent.built(
        "ServiceRequest",
        PROFILE,
        identifier=sent.identifiers(),
        basedOn=sent.many("basedOn"),
        replaces=sent.many("replaces"),
        requisition=sent.one("groupIdentifier"),
        status=sent.text("status") or "unknown",
        intent=intent(sent),
        category=[REFERRAL, *([kind] if kind else [])],
        priority=sent.text("priority"),
        code=(services or reasons or [{"text": "Referral"}])[0],
        orderDetail=services[1:],
        subject=sent.subject(),
        encounter=sent.encounter(),
        **sent.choice("occurrence"),
        authoredOn=sent.text("authoredOn"),
        requester=requester(sent),
        performerType=sent.one("specialty"),
        performer=sent.many("recipient"),
        reasonCode=reasons,
        reasonReference=[*sent.many("reasonReference"), *sent.problems()],
        supportingInfo=sent.many("supportingInfo"),
        note=[*({"text": text} for text in said if text), *sent.many("note")],
    )
    return [request]


def intent(sent: Sent) -> str:
    """Return the intent. R4 says that an order that was repeated for each time is one."""
    return sent.text("intent") or "order"
