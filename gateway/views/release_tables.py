"""A download turned into tables: a Parquet file a view, a data dictionary, and a list of them that is written last.

Each resource type is one part of the work, so that any engine may map it: ``map_types(function, parts)``. A part reads
each file of its type once, whatever the number of its views, and holds one row group for each and the people of one
part of the release.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import durable
from gateway.errors import Invalid, Refused
from gateway.views import dictionary, download, shipped
from gateway.views.download import Download
from gateway.views.parquet import TableFile, physical
from gateway.views.view import Row, View

LIST, DICTIONARY, MARK = "tables.json", "dictionary.csv", ".unfinished"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Part:
    """The views of one resource type, and where their tables go."""

    download: Download
    out: Path
    type: str
    definitions: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written of one type: rows and hash by view. ``unlinked`` are its resources of no person of the
    download."""

    type: str
    resources: int
    unlinked: int
    tables: dict[str, tuple[int, str]]


MapTypes = Callable[[Callable[[Part], Outcome], Sequence[Part]], Iterable[Outcome]]


def write(
    folder: Path,
    out: Path,
    definitions: Sequence[dict[str, Any]],
    map_types: MapTypes = map,
    progress: Progress = lambda phase, done, of: None,
) -> dict[str, Any]:
    """Write the tables of a download into a folder that is new or empty; return what was written.

    A table of a type without a file has no rows. Nothing has its name before all is on disk. Raises ``Refused`` for a
    folder that is not free, a view or a line that is not as it must be, or a file that is not what the manifest says.
    """
    views = [shipped.compiled(definition) for definition in definitions]
    _check(views)
    source = download.opened(folder)
    _take(out)
    try:
        outcomes = []
        parts = _parts(source, out, views, definitions)
        for outcome in map_types(cut, parts):
            outcomes.append(outcome)
            progress("types", len(outcomes), len(parts))
        outcomes.sort(key=lambda outcome: outcome.type)
        _name_all(source, out, views, definitions, outcomes)
    except BaseException:
        _discard(out)
        raise
    return _report(source, outcomes)


def _name_all(
    source: Download,
    out: Path,
    views: Sequence[View],
    definitions: Sequence[dict[str, Any]],
    outcomes: Sequence[Outcome],
) -> None:
    """Give every file its name, the list last."""
    files = {f"{name}.parquet": digest for outcome in outcomes for name, (_, digest) in outcome.tables.items()}
    profile, pin = (str(source.extension.get(name, "")) for name in ("profile", "policy"))
    few = source.extension.get("kAnonymity")
    k = few.get("k") if isinstance(few, dict) else 1
    described = dictionary.text(sorted(views, key=lambda view: view.name), profile, pin, k)
    files[DICTIONARY] = _write(out, DICTIONARY, described.encode())
    _write(out, LIST, _listing(source, views, definitions, files))
    durable.rename({_temporary(out, name): out / name for name in files})
    durable.rename({_temporary(out, LIST): out / LIST})
    (out / MARK).unlink()


def cut(part: Part) -> Outcome:
    """Write the tables of one type under temporary names."""
    views = [shipped.compiled(definition) for definition in part.definitions]
    resources = unlinked = 0
    with ExitStack() as stack:
        files = [stack.enter_context(durable.new(_temporary(part.out, _name(view)))) for view in views]
        tables = [(view, TableFile(view, file)) for view, file in zip(views, files)]
        for _, table in tables:
            stack.callback(table.abandon)
        for name in part.download.files.get(part.type, ()):
            people = part.download.people(name)
            best = {view.name: _Best(view) for view in views if view.distinct and people is not None}
            for resource in part.download.resources(name, part.type):
                resources += 1
                person = download.person_of(resource, people)
                unlinked += person is None
                for view, table in tables:
                    with _naming(view):
                        rows = view.rows(resource, person)
                        table.add(best[view.name].add(rows) if view.name in best else rows)
            for view, table in tables:
                if view.name in best:
                    with _naming(view):
                        table.add(best[view.name].rows())
        for (view, table), file in zip(tables, files):
            with _naming(view):
                table.close()
            durable.close(file)
    written = {view.name: (table.rows, _digest(_temporary(part.out, _name(view)))) for view, table in tables}
    return Outcome(part.type, resources, unlinked, written)


class _naming:
    """Gives what is not as it must be the name of the view."""

    __slots__ = ("name",)

    def __init__(self, view: View):
        self.name = view.name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Invalid):
            raise Refused(f"{self.name}: {error}") from None


class _Best:
    """The rows of a view that has one row for each value of a column: of several, the one that says most. They are of
    one file: a person is in one part of a release, and no more is held."""

    def __init__(self, view: View):
        self._place = next(place for place, column in enumerate(view.columns) if column.name == view.distinct)
        self._best: dict[Any, Row] = {}

    def add(self, rows: list[Row]) -> list[Row]:
        """The rows of no value, which are all kept; the others wait."""
        for row in rows:
            known = self._best.get(row[self._place])
            if row[self._place] is not None and (known is None or self._order(row) < self._order(known)):
                self._best[row[self._place]] = row
        return [row for row in rows if row[self._place] is None]

    @staticmethod
    def _order(row: Row) -> tuple[int, str]:
        """Of equally full rows the first by what they say, because a part that is cut again has another order."""
        return row.count(None), repr(row)

    def rows(self) -> Iterable[Row]:
        return self._best.values()


def _parts(source: Download, out: Path, views: Sequence[View], definitions: Sequence[dict[str, Any]]) -> list[Part]:
    by_type: dict[str, list[dict[str, Any]]] = {}
    for view, definition in zip(views, definitions):
        by_type.setdefault(view.resource, []).append(definition)
    return [Part(source, out, type_, tuple(listed)) for type_, listed in sorted(by_type.items())]


def _check(views: Sequence[View]) -> None:
    """Raises ``Refused`` for two tables of one name, or a column that no table holds: before anything is read."""
    names = [view.name.lower() for view in views]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise Refused(f"{twice}: two views of one name")
    for view in views:
        with _naming(view):
            for column in view.columns:
                physical(column)


def _take(out: Path) -> None:
    """Make the folder, for its owner only, and empty it of what an interrupted run left."""
    if out.exists() and not out.is_dir():
        raise Refused("the folder is a file")
    if (out / MARK).is_file():
        _discard(out)
    elif out.is_dir() and any(out.iterdir()):
        raise Refused("the folder is not empty")
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    durable.write(out / MARK, [b""])  # at once under its name: nothing else stands in the folder without it
    durable.sync(out)


def _discard(out: Path) -> None:
    """Remove what was written without an end: nobody may have it."""
    for pattern in (".*.part", "*.parquet", DICTIONARY, LIST):
        for path in out.glob(pattern):
            path.unlink()
    (out / MARK).unlink()


def _listing(
    source: Download, views: Sequence[View], definitions: Sequence[dict[str, Any]], files: dict[str, str]
) -> bytes:
    """The list of the tables: no time, no path and no count, so that the same release gives the same bytes."""
    listed = [
        {
            "name": view.name, "resource": view.resource, "url": _name(view), "sha256": files[_name(view)],
            "view": hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest(),
        }
        for view, definition in zip(views, definitions)
    ]  # fmt: skip
    of_release = {
        name: source.extension[name] for name in ("project", "profile", "setting") if name in source.extension
    }
    facts = {
        "notice": source.extension.get("notice", ""), **of_release, "person": source.person_is,
        "manifest": source.manifest_hash, "dictionary": files[DICTIONARY],
        "tables": sorted(listed, key=lambda entry: entry["name"]),
    }  # fmt: skip
    return json.dumps(facts, indent=1, sort_keys=True).encode()


def _report(source: Download, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What an operator is told: exact numbers, which are not for the recipient's files."""
    rows = {name: count for outcome in outcomes for name, (count, _) in outcome.tables.items()}
    return {
        "tables": dict(sorted(rows.items())),
        "resources": {outcome.type: outcome.resources for outcome in outcomes if outcome.resources},
        "unlinked": {outcome.type: outcome.unlinked for outcome in outcomes if outcome.unlinked},
        "noView": sorted(source.files.keys() - {outcome.type for outcome in outcomes}),
        "person": source.person_is,
    }


def _name(view: View) -> str:
    return f"{view.name}.parquet"


def _temporary(out: Path, name: str) -> Path:
    return out / f".{name}.part"


def _write(out: Path, name: str, data: bytes) -> str:
    durable.write(_temporary(out, name), [data])
    return hashlib.sha256(data).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
