"""The data dictionary of tables: what each column reads, and what the allow-list of the release does to it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping

from gateway.fhir.r4 import table
from gateway.nhs.pseudonym import policy
from gateway.nhs.pseudonym.crowds import QUASI_IDENTIFIERS
from gateway.views import parquet
from gateway.views.view import Column, View

HEADINGS = ("table", "column", "parquet_type", "fhir_type", "path", "element", "action", "description")
NOT_IN_PROFILE = "not in the profile: always null"
IN_PART = "in the profile in part"
WORKED_OUT = "worked out of several elements: see the path"
FIXED = "no element: fixed, or made by the gateway"
_FUNCTION = re.compile(r"\.?\b(?!ofType\b|extension\b)[A-Za-z]\w*\((?:[^()']|'[^']*'|\([^()]*\))*\)")
_CHOSEN = re.compile(r"\b(\w++)\.ofType\((\w++)\)")
_EXTENSION = re.compile(r"extension\('([^']*)'\).*")
_INNER_EXTENSION = re.compile(r"\.extension\(.*")
_QUASI = frozenset(name for names in QUASI_IDENTIFIERS.values() for name in names)
_STATUSES = frozenset({"clinicalStatus", "verificationStatus", "dataAbsentReason"})
"""Elements whose codes stay however few people have them: ``crowds.STATUS_SYSTEMS``."""
_FIXED = re.compile(r"'[^']*'|-?\d+|true|false|\{\s*\}|%\w+")


def text(views: Iterable[View], profile: str, pin: str, k: object = 1) -> str:
    """The dictionary as CSV, a row for each column. ``profile`` is the allow-list that the release was cut by, and
    ``pin`` its hash. Where that is not the allow-list of this installation, no action is known. ``k`` is how many
    people must share a fact or a code of the release."""
    lines = policy.lines(profile) if pin and policy.policy_hash(profile) == pin else None
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(HEADINGS)
    for view in views:
        for column in view.columns:
            element = element_of(view.resource, column)
            is_fixed = not element and _is_fixed(column)
            action = FIXED if is_fixed else _action(view.resource, element, lines)
            if type(k) is int and k > 1:
                action += _of_few(view.resource, element, action, k)
            rows.writerow(map(_plain, (
                view.name, column.name, _type(column), column.kind, " / ".join((*column.within, column.path)), element,
                action, column.description,
            )))  # fmt: skip
    return written.getvalue()


def _plain(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula.

    >>> _plain("=1+1"), _plain("code")
    ("'=1+1", 'code')
    """
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _of_few(resource: str, element: str, action: str, k: int) -> str:
    """What is done further to a fact or a code that too few people share.

    >>> _of_few("Patient", "gender", "keep", 5), _of_few("Condition", "clinicalStatus", "keep", 5)
    ('; coarser or masked where fewer than 5 people share it', '')
    """
    if resource == "Patient" and action and action != NOT_IN_PROFILE and element in _QUASI:
        return f"; coarser or masked where fewer than {k} people share it"
    is_code = action.partition(":")[0] == "code-only" and _STATUSES.isdisjoint(element.split("."))
    return f"; masked where fewer than {k} people have it" if is_code else ""


def element_of(resource: str, column: Column) -> str:
    """The element that a column reads, as the allow-list writes it (``component.valueQuantity``); "" for a column that
    reads none, or is worked out of several.

    >>> element_of("Observation", Column("a", "value.ofType(Quantity).value", within=("component",)))
    'component.valueQuantity.value'
    >>> element_of("Patient", Column("a", "birthDate.extension('urn:x').value"))
    'birthDate'
    """
    if _is_fixed(column):
        return ""
    if column.path.startswith("getResourceKey"):
        return "id"
    path = ".".join((*column.within, column.path)).replace("$this.", "").replace(".$this", "")
    if extension := _EXTENSION.match(path):
        return f"extension:{extension[1]}"
    path = _INNER_EXTENSION.sub("", path)
    path = _CHOSEN.sub(lambda match: match[1] + match[2][:1].upper() + match[2][1:], path)
    path = re.sub(r"\[\d+\]", "", _FUNCTION.sub("", path))
    element = path.removeprefix(f"{resource}.").strip(".")
    return element if _is_element(resource, element) else ""


def _is_fixed(column: Column) -> bool:
    return bool(_FIXED.fullmatch(column.path))


def _is_element(resource: str, element: str) -> bool:
    """Whether R4 has an element that a column reads."""
    kind = resource
    for name in () if element.startswith("extension:") else element.split("."):
        known = table.types().get(kind)
        kinds = [item.names[name] for item in known.elements if name in item.names] if known else []
        if not kinds:
            return False
        kind = kinds[0]
    return True


def _type(column: Column) -> str:
    kind = parquet.physical(column).name
    return f"list of {kind}" if column.is_list else kind


def _action(resource: str, element: str, lines: Mapping[str, Mapping[str, str]] | None) -> str:
    """What the allow-list does to an element: the line of itself or of what it is within."""
    if lines is None:
        return ""
    if not element:
        return WORKED_OUT
    of_type = lines.get(resource, {})
    parts = [element] if element.startswith("extension:") else element.split(".")
    wholes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    action = next((of_type[whole] for whole in wholes if whole in of_type), "drop")
    if action == "drop" and any(line.startswith(f"{element}.") for line in of_type):
        return IN_PART
    return NOT_IN_PROFILE if action == "drop" else action
