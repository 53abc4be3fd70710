"""``gateway access``: why a decision was as it was, and what another version of the tables of roles would change."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import steering
from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import Actor, AsJson, JsonAlways
from gateway.commands._start import acting
from gateway.errors import Invalid, Refused

if TYPE_CHECKING:
    from gateway.composition import Gateway
    from gateway.nhs.roles import Caller

VERB = typer.Typer(help="Access decisions explained, and versions of the tables of roles compared.")
Table = Annotated[str, typer.Argument(help="A file of `access table`, or `now` for the tables in force.")]


@VERB.command()
def explain(
    event: Annotated[
        int | None, typer.Argument(help="The `seq` of an event of the stream `read`, in the audit.", show_default=False)
    ] = None,
    claims: Annotated[Path | None, typer.Option(help="A file with a token's claims as JSON: who would ask.")] = None,
    user: Annotated[str, typer.Option(help="In a sandbox, a named user instead of claims.")] = "",
    act: Annotated[str, typer.Option(help="What would be asked: read, search, shared and so on.")] = "search",
    type_: Annotated[str, typer.Option("--type", help="The resource type that would be asked for.")] = "Patient",
    patient: Annotated[str, typer.Option(help="The id of the Patient about whom would be asked.")] = "",
    by: Actor = "",
    why: Annotated[str, typer.Option(help="Why it is asked about a person, for the audit.")] = "",
    as_json: AsJson = False,
) -> int:
    """Tell the ten steps of a decision, each with its outcome and the rules that fired.

    Of an event of the audit: as it was decided then. With --claims or --user and --patient: as it would be decided now;
    nobody is shown anything. The answer tells of a person all the same: it needs --as and --why. The audit records who
    asked, about whom and why.
    """
    if (event is None) == (not patient):
        raise Invalid("an event, or --patient with --claims or --user")
    if patient and not (by.strip() and why.strip()):
        raise Invalid("--patient: --as and --why are needed, for the audit")
    asker = {name: words for name, words in (("by", by), ("why", why)) if words}
    with acting() as gateway:
        explained_as = (
            _of_audit(gateway, event, asker)
            if event is not None
            else _rehearsed(gateway, claims, user, act, type_, patient, asker)
        )
    if as_json:
        print(json.dumps(explained_as))
        return OK
    for line in _lines(explained_as):
        print(steering.line(line))
    return OK


def _of_audit(gateway: Gateway, number: int, asker: dict[str, str]) -> dict[str, Any]:
    from gateway.nhs.steps import steps
    from gateway.store.changes import attributed

    with closing(gateway.writing_audit()) as audit:
        matching = [event for event in audit.events("read") if event["seq"] == number and "trace" in event]
        about = {"patients": matching[0]["patients"]} if matching and matching[0].get("patients") else {}
        audit.record(attributed({"act": "access.explain", "event": number, **about, **asker}))
    if not matching:
        raise Refused("the audit has no decision of that number: `gateway audit show` prints their `seq`")
    (event,) = matching
    names = ("seq", "at", "act", "type", "role", "organisation", "outcome", "refusal", "basis", "policy", "count")
    facts = {name: event[name] for name in names if name in event}
    return {**facts, "steps": [step.plain() for step in steps(event["trace"], is_audited=True)]}


def _rehearsed(
    gateway: Gateway, claims: Path | None, user: str, act: str, type_: str, patient: str, asker: dict[str, str]
) -> dict[str, Any]:
    from gateway.nhs import access, policy_table
    from gateway.nhs.steps import steps
    from gateway.records import explaining
    from gateway.store.changes import attributed

    caller = _caller(gateway, claims, user)
    with closing(gateway.writing_audit()) as audit:
        decision = explaining.rehearsed(gateway.door(audit), caller, access.Act(act, type_), patient)
        asked = {"for": caller.user, "role": caller.role, "asked": act, "type": type_, "patients": [patient]}
        audit.record(attributed({"act": "access.explain", **asked, **asker}))
    refusal = decision.refusal.code if decision.refusal else ""
    return {
        "act": act, "type": type_, "role": caller.role, "organisation": caller.organisation, "outcome": "refused" if refusal else "ok",
        "refusal": refusal, "basis": decision.basis, "policy": policy_table.name_in_force(),
        "steps": [step.plain() for step in steps(decision.trace, is_audited=False)],
    }  # fmt: skip


def _caller(gateway: Gateway, claims: Path | None, user: str) -> Caller:
    from gateway.nhs import roles, sandbox

    if (claims is None) == (not user):
        raise Invalid("--claims or --user: one of them")
    if claims is None:
        if not gateway.store.is_sandbox:
            raise Refused("--user: named users are the sandbox's alone")
        return roles.caller_from_claims(sandbox.claims(user))
    try:
        named = json.loads(claims.read_text())
    except (OSError, ValueError):
        raise Invalid("--claims: not a file with JSON") from None
    if not isinstance(named, dict):
        raise Invalid("--claims: not a JSON object")
    return roles.caller_from_claims(named)


def _lines(explained: dict[str, Any]) -> list[str]:
    """The steps as text: a line each, and the rules under it."""
    who = f"{explained['role'] or 'system client'} of {explained['organisation'] or 'nowhere'}"
    refused = f", {explained['refusal']}" if explained["refusal"] else ""
    lines = [f"{explained['act']} {explained['type']} by {who}: {explained['outcome']}{refused}"]
    for step in explained["steps"]:
        lines.append(f"{step['step']}  {step['question']}  {step['outcome']}")
        lines += [f"     {rule}" for rule in step["rules"]]
    return lines


@VERB.command()
def table(as_json: JsonAlways = False) -> int:
    """Print the tables of roles and activities in force, as the data that a governance board signs and keeps."""
    from gateway.nhs import policy_table

    print(json.dumps(policy_table.in_force()))
    return OK


@VERB.command()
def diff(old: Table, new: Table = "now", as_json: AsJson = False) -> int:
    """Replay two versions of the tables of roles over the audit: who would see more, and who less.

    A line for each role, act and type whose answer differs. Exit 0 where nobody would be answered differently, 1 where
    somebody would. Events from before the audit held activities are counted and not replayed.
    """
    versions = [_version(name) for name in (old, new)]
    with acting() as gateway:
        from gateway.nhs.replaying import replayed
        from gateway.store.changes import attributed

        with closing(gateway.writing_audit()) as audit:
            outcome = replayed(audit.events("read"), *versions)
            names = [f"{version['version']} {version.get('fingerprint', '')}" for version in versions]
            audit.record(attributed({"act": "access.diff", "versions": names}))
    for change in outcome.changes:
        row = change.plain()
        asked = f"{row['title']} ({row['role']}), {row['act']} {row['type']}"
        words = f"{asked}: {row['events']} events of {row['callers']} callers"
        more = "".join(f"; {name} {', '.join(row[name])}" for name in ("gains", "loses") if row[name])
        print(json.dumps(row) if as_json else steering.line(words + more))
    counts = {"changes": len(outcome.changes), "alike": outcome.alike, "unknown": outcome.unknown}
    print(json.dumps(counts) if as_json else ", ".join(f"{name} {number}" for name, number in counts.items()))
    return WITH_REJECTS if outcome.changes else OK


def _version(name: str) -> dict[str, Any]:
    from gateway.nhs import policy_table

    if name == "now":
        return policy_table.in_force()
    try:
        text = Path(name).read_text()
    except (OSError, ValueError):
        raise Invalid("not a file that can be read: a table of roles is wanted, or `now`") from None
    return policy_table.read(text)
