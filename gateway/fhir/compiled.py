"""The types of R4 compiled for the decoder: structure, cardinality, formats and required codes, checked in C."""

from __future__ import annotations

import keyword
import sys
import types as python_types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, Union

import msgspec

from gateway.fhir import quick
from gateway.fhir.r4 import table

_WORDS = frozenset({"string", "markdown"})


@lru_cache(maxsize=1)
def strict() -> msgspec.json.Decoder[object]:
    """A decoder of any R4 resource with every pattern. Built once a process, on first use."""
    return _Types("_r4_types", table.STRINGS, _WORDS).decoder()


@lru_cache(maxsize=1)
def loose() -> msgspec.json.Decoder[object]:
    """The same without the patterns that ``quick`` sees to: a decoder calls back into Python for definition of them."""
    return _Types("_r4_loose_types", table.STRINGS, _WORDS | quick.SEEN_HERE).decoder()


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    annotation: str
    is_required: bool


class _Types:
    """The types in a module of their own, which their annotations are read in. A string of ``unmatched`` is any text
    but an empty one."""

    def __init__(self, module: str, patterns: Mapping[str, str | None], unmatched: frozenset[str]):
        self.module = f"gateway.fhir.{module}"
        self.patterns, self.unmatched = patterns, unmatched
        self.space = sys.modules.setdefault(self.module, python_types.ModuleType(self.module)).__dict__

    def decoder(self) -> msgspec.json.Decoder[object]:
        self.space.update(Annotated=Annotated, AtLeastOne=msgspec.Meta(min_length=1), Unset=msgspec.UnsetType)
        structs = {definition.name: self._struct(definition) for definition in table.types().values()}
        self.space.update(structs)
        resources = tuple(structs[name] for name in table.resource_types())
        self.space["AnyResource"] = Union[resources]  # noqa: UP007  a union of computed members
        return msgspec.json.Decoder(self.space["AnyResource"])

    def _struct(self, definition: table.Type) -> type:
        rename: dict[str, str] = {}
        fields: list[Any] = []
        for member in self._members(definition):
            python_name = _identifier(member.name)
            if python_name != member.name:
                rename[python_name] = member.name
            fields.append(
                (python_name, member.annotation)
                if member.is_required
                else (python_name, f"{member.annotation}|Unset", msgspec.UNSET)
            )
        return msgspec.defstruct(
            definition.name,
            fields,
            module=self.module,
            kw_only=True,
            forbid_unknown_fields=True,
            rename=rename,
            gc=False,
            tag_field="resourceType" if definition.is_resource else None,
            tag=definition.name if definition.is_resource else None,
        )

    def _members(self, definition: table.Type) -> Iterator[_Member]:
        for element in definition.elements:
            for name, kind in element.names.items():
                is_primitive = kind in table.PRIMITIVES
                annotation = self._annotation(kind, element.codes)
                if element.is_many:
                    annotation = f"Annotated[list[{annotation}{'|None' if is_primitive else ''}], AtLeastOne]"
                is_required = element.is_required and not is_primitive and not element.is_choice
                yield _Member(name, annotation, is_required)
                if is_primitive:
                    beside = "Annotated[list[Element|None], AtLeastOne]" if element.is_many else "Element"
                    yield _Member("_" + name, beside, False)

    def _annotation(self, kind: str, codes: frozenset[str]) -> str:
        if kind == "Resource":
            return "AnyResource"
        if kind not in table.PRIMITIVES:
            return kind
        name = f"p{abs(hash((kind, codes)))}"
        if name not in self.space:
            self.space[name] = self._primitive(kind, codes)
        return name

    def _primitive(self, kind: str, codes: frozenset[str]) -> Any:
        if kind == "boolean":
            return bool
        if kind == "decimal":
            return float
        if kind in table.INTEGERS:
            return Annotated[int, msgspec.Meta(ge=table.INTEGERS[kind], le=2147483647)]
        if codes:
            return Literal[tuple(sorted(codes))]
        pattern = self.patterns[kind]
        if not pattern:
            return str
        return Annotated[str, msgspec.Meta(min_length=1) if kind in self.unmatched else msgspec.Meta(pattern=pattern)]


def _identifier(name: str) -> str:
    """A JSON name as Python can have it (``_birthDate``, ``class``)."""
    python_name = name if name.isidentifier() and not keyword.iskeyword(name) else name + "_"
    return "x" + python_name if python_name.startswith("_") else python_name
