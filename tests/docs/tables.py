"""The tables of the documents, made from the code. A document holds ``<!-- generated: NAME -->`` above each table.

Each function imports what it reads, so that a table fails by its own name when the code moves.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

MARK = re.compile(r"^<!-- generated: ([a-z0-9-]+) -->\n(?:\n((?:\|.*\n)+))?", re.M)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, a row a line."""
    lines = [list(head), ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def code(names: Iterable[object]) -> str:
    """Names as code, with commas."""
    return ", ".join(f"`{name}`" for name in names)


def settings() -> str:
    from gateway import config

    def default(value: object) -> str:
        text = "0" if value is False else str(value or "")
        return f"`{text}`" if text else ""

    rows = (
        (f"`GATEWAY_{field.name.upper()}`", default(field.default), field.metadata["help"])
        for field in fields(config.Settings)
    )
    return table(("Variable", "Default", "Meaning"), rows)


def sources() -> str:
    import mappings

    rows = (
        (
            f"[`{name}`](../mappings/{name}/README.md)",
            f"[what becomes what](../mappings/{name}/explained.md)",
            source.title,
            source.kind,
            source.version,
        )
        for name, source in sorted(mappings.sources().items())
    )
    return table(("Source", "Columns", "Format", "Kind of publisher", "Version of the mapping"), rows)


def users() -> str:
    from gateway.nhs.sandbox import USERS

    rows = []
    for user, claims in USERS.items():
        role = next(iter(claims.get("nhsid_nrbac_roles", ())), {})
        kind = role.get("role_name") or ("system client" if "client_id" in claims else "none")
        organisation = role.get("org_code") or claims.get("org_code", "")
        rows.append((f"`{user}`", kind, organisation, " ".join(role.get("activity_codes", ()))))
    return table(("User", "Role", "Organisation", "Activities"), rows)


def search_parameters() -> str:
    from gateway.fhir import params

    rows = []
    for type_ in params.SEARCHABLE:
        quick = (*params.about(type_), *params.indexed(type_))
        rest = (name for name in params.searchable(type_) if name not in quick and not name.startswith("_"))
        rows.append((type_, code(quick), code(rest)))
    return table(("Type", "Indexed", "Read in what a person has"), rows)


CONTROLS = {
    "_id": "resource ids, with commas between them",
    "_lastUpdated": "a date, with a prefix such as `ge`",
    "_count": "resources in a page: {usual} unless set, at most {most}",
    "_sort": "up to {keys} search parameters, with commas between them; `-` for the greatest first",
    "_include": "a reference to follow, as `Type:parameter`",
    "_include:iterate": "the same, followed from what was included too",
    "_revinclude": "a reference that leads to the matches, as `Type:parameter`",
    "_revinclude:iterate": "the same, followed from what was included too",
    "_cursor": "part of a `next` link; do not build it yourself",
    "_total": "`accurate`, `estimate` (which is accurate too) or `none`",
    "_format": "`json` or `xml`",
    "_pretty": "`true` for an indented answer, or `false`",
    "_summary": "`true`, `text` or `data` for a part of each resource; `count` for the total alone; or `false`",
    "_elements": "elements of the type, with commas between them: a part of each resource",
}
"""What each of the parameters that every type takes holds."""


def search_controls() -> str:
    from gateway.fhir import parse

    assert CONTROLS.keys() == parse._CONTROLS.keys()
    rows = (
        (f"`{name}`", words.format(usual=parse.USUAL_COUNT, most=parse.MOST_COUNT, keys=parse.MOST_KEYS))
        for name, words in CONTROLS.items()
    )
    return table(("Parameter", "Value"), rows)


def refusals() -> str:
    from gateway.nhs.access import REFUSALS

    rows = (
        (
            refusal.status,
            f"`{refusal.code}`",
            refusal.text,
            "the caller alone" if refusal.before_lookup else "the person",
        )
        for refusal in REFUSALS.values()
    )
    return table(("Status", "Code", "Text", "Depends on"), rows)


FAILURES = {
    "Invalid": "something in the request cannot be read; the text names the place",
    "Unsupported": "a parameter, type or operation is not known; the text names it",
    "Refused": "a rule of the operator or of a project stands against it",
    "Unauthenticated": "there is no valid bearer token",
    "Forbidden": "the caller may not do this, whoever the patient is",
    "NotFound": "unknown, or not visible to the caller",
    "NotAcceptable": "`Accept` or `_format` takes no format that this answer has, such as XML",
    "Conflict": "the state has changed since, or an id is taken",
    "NotAllowed": "a type that nobody writes over the API",
    "Stale": "another version is current than `If-Match` names, or a condition does not hold",
    "Unprocessable": "a resource is not taken; each issue names its place",
    "Gone": "the resource was visible to the caller and has been deleted, or a link is older than an hour",
    "TooLarge": "the body, its depth or the number of parameters is over the limit",
    "WrongMedia": "the `Content-Type` is not accepted here",
    "Throttled": "too many requests or unfinished exports; try again after `Retry-After` seconds",
    "Unavailable": "the database, the audit or the code sets are not available; try again after `Retry-After` seconds",
}
"""When each kind of failure is answered."""


def statuses() -> str:
    from gateway.api.errors import STATUS

    assert FAILURES.keys() == {kind.__name__ for kind in STATUS}
    rows = (
        (status, f"`{issue}`", FAILURES[kind.__name__])
        for kind, (status, issue) in sorted(STATUS.items(), key=lambda row: (row[1][0], row[1][1]))
    )
    return table(("Status", "`issue.code`", "When"), rows)


def _no_role(rule: Any) -> str:
    """Whom a row is about that names no role."""
    from gateway.nhs.roles import CITIZENS

    return "a person, of their own record" if rule.roles == CITIZENS else "system client"


def roles() -> str:
    from gateway.nhs.roles import ALL, ROLES, RULES

    rows = []
    for rule in RULES:
        who = ", ".join(ROLES[role] for role in sorted(rule.roles) if role in ROLES) or _no_role(rule)
        sections = "all" if rule.sections == ALL else ", ".join(sorted(rule.sections)) or "–"
        scope = f"scope `{rule.scope}/…`" if rule.scope else "–"
        rows.append((who, rule.activity or scope, ", ".join(sorted(rule.acts)), sections,
                     "own organisation" if rule.own else "", rule.reason))  # fmt: skip
    return table(("Roles", "Activity", "Acts", "Sections", "Limited to", "Reason"), rows)


def scopes() -> str:
    from gateway.nhs.scopes import EVERY, NEEDS

    of = {"": "of the type", EVERY: "of all types (`*`)"}
    rows = ((f"`{act}`", f"`{need.letters}`", of.get(need.type, f"of {need.type}")) for act, need in NEEDS.items())
    return table(("Act", "Needs the letters", "Of which type"), rows)


def labels() -> str:
    from gateway.nhs.labels import LABELS

    return table(("Label", "Meaning", "Hides"), ((f"`{label.name}`", label.meaning, label.hides) for label in LABELS))


def relationships() -> str:
    from gateway.nhs.kinds import REGISTRATION_DAYS, RELATIONSHIP_DAYS

    limits = [
        *RELATIONSHIP_DAYS.items(),
        *((("gp", "registration", type_), days) for type_, days in REGISTRATION_DAYS.items()),
    ]
    rows = (
        (kind or "any", type_, class_ or "any", "no limit" if days is None else f"{days} days")
        for (kind, type_, class_), days in limits
    )
    return table(("Kind of publisher", "Open resource", "Class", "Counts for"), rows)


def permission_bases() -> str:
    from gateway.nhs.access import BASES

    rows = (
        (f"`{name}`", basis.title, f"{basis.longest} hours", basis.least_reason or "–") for name, basis in BASES.items()
    )
    return table(("Basis", "When", "Lasts at most", "Characters of reason at least"), rows)


FIELDS = {
    "name": "the project's name, used by every command",
    "purpose": "what the data is for",
    "lawful_basis": "articles of the UK GDPR",
    "common_law_basis": "how the duty of confidence is met: {bases}",
    "controller": "who controls the data. Part of the pseudonym key",
    "recipient": "ODS code of the recipient. A client must act for it: its token's `org_code` is this code",
    "people": "the client ids that may fetch exports, and the names of people who may receive them",
    "contributors": "organisations that let their rows leave: `ods`, `agreement`, `from`, `to`",
    "setting": "where the data may lie: {settings}",
    "export_basis": "why data leaves an SDE; needed for `export`",
    "profile": "which elements may leave: {profiles}",
    "types": "resource types, of those the profile holds; all of them unless set",
    "disclosure": "rules for counts: {disclosures}",
    "k": "at least so many people share the facts and hold each code that leaves; 5 if left out, 1 asks nothing",
    "few_people": "what becomes of facts and codes that fewer share: `coarsen` (if left out), or `refuse` the release",
    "key_version": "a whole number; another one gives other pseudonyms",
    "start": "first day",
    "end": "last day",
    "exclude_sensitive": "`true` unless set",
}
"""What each field of a project holds."""


def project_fields() -> str:
    from gateway.nhs import disclosure, project
    from gateway.nhs.pseudonym import policy

    assert FIELDS.keys() == {field.name for field in fields(project.Project)}
    values = {
        "bases": code(project.BASES),
        "settings": code(policy.SETTINGS),
        "profiles": code(_profiles()),
        "disclosures": code(disclosure.PROFILES),
    }
    return table(("Field", "Holds"), ((f"`{name}`", words.format(**values)) for name, words in FIELDS.items()))


def project_states() -> str:
    from gateway.nhs.project import STATES

    rows = ((f"`{state}`", code(sorted(following)) or "nothing") for state, following in STATES.items())
    return table(("State", "May become"), rows)


def _profiles() -> dict[str, dict[str, object]]:
    path = next((Path(__file__).parents[2] / "gateway" / "nhs").rglob("pseudonym.toml"))
    return tomllib.loads(path.read_text(encoding="utf-8"))


def profiles() -> str:
    rows = (
        (f"`{name}`", type_, code(elements))
        for name, types in _profiles().items()
        for type_, elements in types.items()
        if isinstance(elements, dict)
    )
    return table(("Profile", "Type", "Elements that may leave"), rows)


def disclosures() -> str:
    from gateway.nhs.disclosure import PROFILES

    return table(("Rules", "Counts"), ((f"`{name}`", rules.reason) for name, rules in PROFILES.items()))


def required_sets() -> str:
    from gateway.nhs.codesets import REQUIRED

    rows = ((f"`{name}`", code(sorted(effects))) for name, effects in REQUIRED.items())
    return table(("Set", "Needs a member for each of"), rows)


def metrics() -> str:
    from gateway.metrics import TABLE

    rows = ((f"`{name}`", code(labels), meaning) for name, (labels, meaning) in TABLE.items())
    return table(("Metric", "Labels", "Meaning"), rows)


def scenarios() -> str:
    from gateway.nhs import identifiers
    from gateway.synth.packs import PACKS

    rows = (
        (f"`{pack}`", f"`{fixed.role}`", identifiers.synthetic(number - 1), fixed.shows)
        for pack, cast in PACKS.items()
        for number, fixed in cast.items()
    )
    return table(("Pack", "Person", "NHS number", "What must be seen"), rows)


def routes() -> str:
    """Each route as the document of OpenAPI tells of it, those of any type once."""
    from gateway.api import app, openapi
    from gateway.api.auth import PUBLIC

    rows = []
    for route in app.routes(is_sandbox=True):
        for method in sorted(route.methods - {"HEAD"}):
            row = openapi.ROWS[method, route.path]
            path = re.sub(r"\{(\w+?)_?\}", r"[\1]", route.path.replace("{resource_type}", "[type]"))
            words, address = openapi._words(route)
            is_search = "resource_type" in route.path and row.act == "search"
            asked = "those of the type" if is_search else code(dict.fromkeys((*row.query, *row.body))) or "–"
            sent = code(row.sent) or (code([openapi.asked.FORM]) if row.body or method == "POST" and is_search else "–")
            shown = f"[{words}]({address})" if address else words
            decided = "anybody" if route.path in PUBLIC else f"`{row.act}`"
            rows.append((f"`{method} {path}`", shown, decided, asked, sent, f"{row.status} {code(row.answers)}"))
    return table(("Request", "What it is", "Decided as", "Parameters", "Body", "Answer"), rows)


def acts() -> str:
    """Who may do each act that a route is decided as."""
    from gateway.api import openapi
    from gateway.nhs.roles import ROLES, RULES
    from gateway.nhs.scopes import NEEDS

    rows = []
    for act in sorted({row.act for row in openapi.ROWS.values()} - {""}):
        who = [
            f"{', '.join(ROLES[role] for role in sorted(rule.roles) if role in ROLES) or _no_role(rule)}"
            f"{f' ({rule.activity})' if rule.activity else ''}{', of their own organisation' if rule.own else ''}"
            for rule in RULES
            if act in rule.acts
        ]
        rows.append(
            (f"`{act}`", "; ".join(dict.fromkeys(who)), f"`{NEEDS[act].letters}`" if NEEDS[act].letters else "any")
        )
    return table(("Act", "Who may", "Letters of a scope"), rows)


def parameters_by_kind() -> str:
    """The search parameters of each type, by kind."""
    from gateway.fhir import params

    kinds = sorted({row.kind for type_ in params.SEARCHABLE for row in params.searchable(type_).values()})
    rows = []
    for type_ in params.SEARCHABLE:
        own = [row for row in params.searchable(type_).values() if not row.name.startswith("_")]
        rows.append((type_, *(code(row.name for row in own if row.kind == kind) for kind in kinds)))
    return table(("Type", *kinds), rows)


def modifiers() -> str:
    """What each kind of parameter takes after its name."""
    from gateway.fhir.matching import clauses

    rows = (
        (
            kind,
            code(f":{name}" for name in (clauses.MISSING, *module.MODIFIERS))
            + (", `:[type]`" if kind == "reference" else ""),
        )
        for kind, module in sorted(clauses.KINDS.items())
    )
    return table(("Kind", "Modifiers"), rows)


def limits() -> str:
    """What a request may ask for at most, from the code that refuses more."""
    from gateway import config
    from gateway.api import asked
    from gateway.care import following
    from gateway.fhir import parse, portion
    from gateway.intake import change
    from gateway.nhs import caseload
    from gateway.records import cursors, facts, hopping, including, selecting
    from gateway.store import attending

    body = next(field.default for field in fields(config.Settings) if field.name == "body_limit")
    rows = (
        ("parameters of a search", parse.MOST_CLAUSES, "413"),
        ("values of one parameter, with commas between them", parse.MOST_VALUES, "413"),
        ("resources on a page of a search", f"{parse.MOST_COUNT}, {parse.USUAL_COUNT} unless set", "the page is cut"),
        ("entries on a page of `$everything` or `$changes`", f"{portion.MOST:,}", "the page is cut"),
        ("keys of `_sort`", parse.MOST_KEYS, "400"),
        (
            "matches that are sorted by another key than the type's date or `_lastUpdated`",
            f"{selecting.MOST_SORTED:,}",
            "413",
        ),
        ("references that a chain or `_has` follows", parse.MOST_HOPS, "400"),
        ("resources that one search reads of what no index finds", f"{hopping.MOST_READ:,}", "413"),
        ("values that one search compares", f"{hopping.MOST_COMPARED:,}", "413"),
        (
            "resources that `_include` and `_revinclude` add to a page",
            including.MOST_INCLUDED,
            "an entry of mode `outcome` says so",
        ),
        ("rounds of `:iterate`", including.MOST_ROUNDS, "it ends"),
        ("people whom a search of Patients by name may mean", facts.MOST_CANDIDATES, "400"),
        ("people on a list", caseload.MOST_MEMBERS, "413"),
        ("people with open care who are asked about for a list", f"{caseload.MOST_ASKED:,}", "413"),
        (
            "visits, and referrals, of one publisher that have no end and are looked at for a list",
            f"{attending.MOST_LOOKED_AT:,}",
            "413",
        ),
        ("entries of a batch or a transaction", f"{change.MOST:,}", "413"),
        ("bytes of a body", f"{body:,}", "413"),
        ("bytes of a form", f"{asked.MOST_OF_FORM:,}", "413"),
        ("seconds that a `next` link holds", f"{cursors.CURSOR_SECONDS:,}", "410"),
        ("days that a link of `$changes` holds", following.DAYS, "410"),
    )
    return table(("Of", "At most", "Beyond it"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "routes": routes,
    "acts": acts,
    "parameters-by-kind": parameters_by_kind,
    "modifiers": modifiers,
    "limits": limits,
    "scenarios": scenarios,
    "settings": settings,
    "sources": sources,
    "users": users,
    "search-parameters": search_parameters,
    "search-controls": search_controls,
    "refusals": refusals,
    "statuses": statuses,
    "roles": roles,
    "labels": labels,
    "scopes": scopes,
    "relationships": relationships,
    "permission-bases": permission_bases,
    "project-fields": project_fields,
    "project-states": project_states,
    "profiles": profiles,
    "disclosure": disclosures,
    "required-sets": required_sets,
    "metrics": metrics,
}


def written(text: str) -> str:
    """A document with each of its generated tables as the code says. Raises ``KeyError`` for a name without a table."""
    return MARK.sub(lambda mark: f"<!-- generated: {mark[1]} -->\n\n{TABLES[mark[1]]()}", text)
