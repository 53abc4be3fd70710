"""A source for tests: its rows say outright what they make, so that a test can send any row in any order."""

from collections.abc import Sequence

from gateway.errors import Invalid
from gateway.fhir import build
from gateway.intake.producers import AtHand
from gateway.intake.report import Report
from gateway.intake.take import take
from gateway.nhs.codesets import CodeSets
from gateway.store.database import Store
from mappings import Feed, Group, Look, Publisher, Row, Source, Values
from mappings.readers.files import File

NOBODY = Feed()


def row(
    key: str,
    *makes: dict,
    order: int = 1,
    publisher: str = "P1",
    groups: tuple[str, ...] = (),
    deleted: bool = False,
    **columns,
) -> Row:
    """A row that makes these resources in its first group. ``ask`` is another row's key to look up, ``fault`` a column
    to stumble over."""
    values = Values({"makes": build.encode(makes).decode(), **columns})
    return Row("T", key, publisher, order, values, "", groups or (key,), deleted, 1, bare=deleted)


def says(publisher: str, order: int, **about: str) -> Row:
    """A row that speaks of its publisher: ``ods``, ``name``, ``state``."""
    return Row("P", f"{publisher} {order} {sorted(about.items())}", publisher, order, Values(about))


def resource(type_: str, id_: str, **elements) -> dict:
    """A resource as a row makes it."""
    return {"resourceType": type_, "id": id_, **elements}


def _to_fhir(group: Group, look: Look) -> list[dict]:
    made = []
    for each in group.of("T"):
        if each.groups[0] != group.key:
            continue
        if each.values["fault"]:
            raise Invalid(f"column {each.values['fault']}")
        if each.values["ask"] and look.row("T", each.values["ask"]) is None:
            raise Invalid("column ask")
        for said in build.decode(each.values["makes"].encode()):
            type_ = said.pop("resourceType")
            made.append(
                build.resource(
                    type_, said.pop("id"), f"https://fhir.hl7.org.uk/StructureDefinition/UKCore-{type_}", **said
                )
            )
    return made


def _publisher(found: Row) -> Publisher | None:
    about = {name: value for name, value in found.values.items() if value}
    return Publisher(about.pop("code", found.publisher), order=found.order, **about) if found.table == "P" else None


def source(rows: Sequence[Row], name: str = "toy", kind: str = "gp", version: str = "1") -> Source:
    """A source whose delivery is these rows."""
    return Source(
        name,
        kind,
        "a toy",
        version,
        lambda path, feed: [File(path)],
        lambda file, feed: iter(rows),
        _to_fhir,
        _publisher,
    )


def deliver(store: Store, rows: Sequence[Row], sets: CodeSets = CodeSets(), **about: str) -> Report:
    """Load rows as one delivery."""
    return take(store, source(rows, **about), AtHand(rows), NOBODY, sets, workers=0)
