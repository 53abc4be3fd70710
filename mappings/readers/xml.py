"""XML files to dictionaries: one a record element, without DTD or entities.

>>> import pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "a.xml"
>>> _ = path.write_text("<all><p id='1'><name>Ann</name><name>Amy</name></p></all>")
>>> list(xml_rows(File(path), "p"))
[(1, {'@id': '1', 'name': 'Ann', 'name[2]': 'Amy'})]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler, feature_namespaces

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.expatreader import DefusedExpatParser  # type: ignore[import-untyped]

from gateway.errors import Refused
from mappings import Values
from mappings.readers.files import CHUNK, File

DEEPEST = 64
LARGEST = 1 << 24
"""Characters of one record at most."""


def xml_rows(file: File, record: str) -> Iterator[tuple[int, Values]]:
    """Yield (line, values) of each element called ``record``, whatever its namespace.

    Values are the texts inside by their path (``name/given``, the second ``name/given[2]``), attributes with an ``@``.
    Raises ``Refused`` naming the line of what is not well-formed, of a DTD, an entity, or a record that is too large or
    too deep: what follows such a place cannot be trusted to be what it seems.
    """
    parser = DefusedExpatParser(forbid_dtd=True)
    handler = _Records(record, parser.getLineNumber)
    parser.setFeature(feature_namespaces, True)
    parser.setContentHandler(handler)
    with file.open() as stream:
        if not stream.peek(1):
            raise Refused(f"{file.shown}: empty")
        while True:
            chunk = stream.read(CHUNK)
            try:
                parser.feed(chunk) if chunk else parser.close()
            except SAXParseException as fault:
                raise Refused(f"{file.shown}: line {fault.getLineNumber()}: not well-formed XML") from None
            except (DefusedXmlException, SAXException) as fault:
                what = "a DTD or an entity" if isinstance(fault, DefusedXmlException) else "a record too large or deep"
                raise Refused(f"{file.shown}: line {parser.getLineNumber()}: {what}") from None
            except (LookupError, ValueError):  # what Expat raises for a name that it cannot use
                raise Refused(f"{file.shown}: line 1: the encoding that it names is not known") from None
            yield from handler.taken()
            if not chunk:
                return


def is_well_formed(data: bytes) -> bool:
    """Whether a document can be read to its end; one with entities of its own is not read."""
    parser = DefusedExpatParser()
    parser.setContentHandler(ContentHandler())
    try:
        parser.feed(data)
        parser.close()
    except (DefusedXmlException, SAXException, LookupError, ValueError):
        return False
    return True


class _Records(ContentHandler):
    """Gathers the values of one record at a time."""

    def __init__(self, record: str, line: Callable[[], int]):
        super().__init__()
        self._record, self._line_now, self._line, self._size = record, line, 0, 0
        self._values: Values | None = None
        self._path: list[str] = []
        self._texts: list[list[str]] = []
        self._counts: Counter[str] = Counter()
        self._depth = 0
        self._done: list[tuple[int, Values]] = []

    def taken(self) -> list[tuple[int, Values]]:
        """Hand over the records that are complete."""
        done, self._done = self._done, []
        return done

    def startElementNS(self, name: tuple[str | None, str], qname: str | None, attrs: Any) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise SAXException("too deep")
        if self._values is None:
            if name[1] != self._record:
                return
            self._line, self._values, self._size = self._line_now(), Values(), 0
            self._counts.clear()
        else:
            path = "/".join((*self._path, name[1]))
            self._counts[path] += 1
            count = self._counts[path]
            self._path.append(name[1] if count == 1 else f"{name[1]}[{count}]")
        self._texts.append([])
        for (_, attribute), value in attrs.items():
            self._put("/".join((*self._path, f"@{attribute}")), value)

    def characters(self, content: str) -> None:
        if self._texts:
            self._size += len(content)
            if self._size > LARGEST:
                raise SAXException("too large")
            self._texts[-1].append(content)

    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:
        self._depth -= 1
        if self._values is None:
            return
        self._put("/".join(self._path), "".join(self._texts.pop()))
        if self._path:
            self._path.pop()
        else:
            self._done.append((self._line, self._values))
            self._values = None

    def _put(self, path: str, value: str) -> None:
        self._size += len(path) + len(value)
        if self._size > LARGEST:
            raise SAXException("too large")
        if self._values is not None and value.strip():
            self._values[path] = value.strip()
