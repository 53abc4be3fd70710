"""A file is read once to see that it can be taken and once to take it; what must be refused is refused before."""

import io
import pickle
import shutil
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import Refused
from gateway.intake import load
from gateway.intake.producers import Files
from gateway.nhs.codesets import CodeSets
from gateway.store import registry
from gateway.store.database import open_store
from mappings import Feed, Row, sources
from mappings.readers.files import HEAD, File, delivered
from tests.intake.conftest import NAMESPACE, state, take
from tests.mappings.harness import read_all
from tests.schema import sqlite_url
from tests.toy import NOBODY, resource, row, source


class Reads:
    """Counts the bytes that are read of each file."""

    def __init__(self, monkeypatch):
        self.bytes: Counter[Path] = Counter()
        opened, reads = Path.open, self

        class Raw(io.FileIO):
            def readinto(self, buffer):
                count = super().readinto(buffer)
                reads.bytes[Path(self.name)] += count
                return count

        def count(path, mode="r", buffering=-1, *rest, **named):
            return Raw(path, "r") if (mode, buffering) == ("rb", 0) else opened(path, mode, buffering, *rest, **named)

        monkeypatch.setattr(Path, "open", count)


def new(tmp_path, kind: str, source, path: Path):
    """A store of a kind that knows the publishers of the delivery."""
    store = open_store(sqlite_url(tmp_path / f"{kind}.db"), create=kind, namespace=NAMESPACE)
    with store.write() as session:
        for code in {row.publisher for row in read_all(source, path) if isinstance(row, Row)}:
            registry.ensure_publisher(session, source.name, code, source.kind)
    return store


BEGINNINGS = 4
"""How often a beginning alone is read at most: by the check of the source, and for the columns that nothing reads."""


@pytest.mark.parametrize(("name", "kind", "times"), [
    ("emis", "sandbox", 2), ("emis", "live", 2), ("cld", "sandbox", 2), ("cld", "live", 2), ("hl7v2", "sandbox", 1), ("hl7v2", "live", 2),
])  # fmt: skip
def test_a_file_is_read_twice_at_most(tmp_path, deliveries, code_sets, monkeypatch, name, kind, times):
    source, path = sources()[name], deliveries.path(name)
    store = new(tmp_path, kind, source, path)
    reads = Reads(monkeypatch)
    report = load.load(store, source, path, Feed(), code_sets, workers=0)
    store.close()
    assert report.rows["new"] and not report.rejects
    files = [file for file in path.rglob("*") if file.is_file()]
    assert files and {file: reads.bytes[file] for file in files} == {
        file: pytest.approx(times * file.stat().st_size, abs=BEGINNINGS * min(HEAD, file.stat().st_size))
        for file in files
    }


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_file_that_may_have_two_encodings_is_read_twice_too(tmp_path, code_sets, deliveries, monkeypatch, encoding):
    original = next(deliveries.path("cld").rglob("*.csv"))
    path = tmp_path / original.name
    path.write_bytes(original.read_text(encoding="utf-8").replace("Home", "Hömé").encode(encoding))
    source, feed = sources()["cld"], Feed(encoding="cp1252")
    store = open_store(f"sqlite:///{tmp_path / 'live'}.db", create="live")
    with store.write() as session:
        for code in {row.publisher for row in read_all(source, path, feed) if isinstance(row, Row)}:
            registry.ensure_publisher(session, "cld", code, source.kind)
    reads = Reads(monkeypatch)
    load.load(store, source, path, feed, code_sets, workers=0)
    assert 2 * path.stat().st_size <= reads.bytes[path] <= 2 * path.stat().st_size + BEGINNINGS * HEAD
    with store.read() as session:
        assert any("Hömé" in body.decode() for (body,) in session.rows("SELECT body FROM kept"))
    store.close()


def test_a_file_in_another_encoding_refuses_the_whole_delivery(tmp_path, new_store, deliveries, code_sets):
    folder = tmp_path / "broken"
    shutil.copytree(deliveries.path("emis"), folder)
    last = sorted(folder.rglob("*CareRecord_Observation_*.csv"))[-1]
    last.write_bytes(last.read_bytes() + b'"\xe9"\r\n')
    store = new_store()
    with pytest.raises(Refused, match="not utf-8"):
        load.load(store, sources()["emis"], folder, Feed(), code_sets, workers=0)
    with store.read() as session:
        assert not session.value("SELECT count(*) FROM kept") and not session.value("SELECT count(*) FROM delivery")


def zipped(folder: Path, path: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{inside}{file.relative_to(folder)}")
    return path


CLOCKED = {"seconds": 0, "lagSeconds": 0}
"""What two reports of one delivery may say otherwise, since they are made one after the other."""


@pytest.mark.parametrize("name", ["emis", "hl7v2", "cld"])
@pytest.mark.parametrize("inside", ["", "extract/"])
def test_a_zip_loads_like_its_folder(tmp_path, new_store, deliveries, code_sets, name, inside):
    path = zipped(deliveries.path(name), tmp_path / "delivery.zip", inside)
    of_zip, of_folder = new_store("zip"), new_store("folder")
    report = load.load(of_zip, sources()[name], path, Feed(), code_sets, workers=0).as_dict()
    expected = take(of_folder, deliveries, name, code_sets).as_dict()
    assert {**report, **CLOCKED} == {**expected, **CLOCKED}
    assert state(of_zip) == state(of_folder)


def test_a_zip_that_is_damaged_is_refused_before_anything_is_kept(tmp_path, new_store, deliveries, code_sets):
    path = zipped(deliveries.path("hl7v2"), tmp_path / "delivery.zip")
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)
    store = new_store()
    with pytest.raises(Refused, match="damaged in the zip|cannot be read|not a zip"):
        load.load(store, sources()["hl7v2"], path, Feed(), code_sets, workers=0)
    with store.read() as session:
        assert not session.value("SELECT count(*) FROM kept")


def test_a_live_store_stops_reading_at_the_first_row_of_a_publisher_that_it_does_not_know(tmp_path, deliveries):
    source = sources()["hl7v2"]
    taken = []

    def read(file, feed):
        for item in sources()["hl7v2"].read(file, feed):
            taken.append(item)
            yield item

    rows = Files(tuple(source.check(deliveries.path("hl7v2"), Feed())), Feed())
    with pytest.raises(Refused, match="a publisher that this store does not know"):
        rows.checked(replace(source, read=read), lambda code: False)
    assert len(taken) == 1


@pytest.mark.parametrize("count", [3, 40])
def test_a_zip_of_many_files_is_opened_once(tmp_path, new_store, deliveries, code_sets, zip_opens, count):
    [message] = sorted(deliveries.path("hl7v2").glob("*.hl7"))[:1]
    path = tmp_path / "delivery.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.write(message, f"{number}.hl7")
    report = load.load(new_store(), sources()["hl7v2"], path, Feed(), code_sets, workers=0)
    assert report.files == count and report.rows["new"] and len(zip_opens) == 1


def test_the_size_of_a_delivery_is_asked_once(deliveries, monkeypatch):
    rows = Files(tuple(sources()["hl7v2"].check(deliveries.path("hl7v2"), Feed())), Feed())
    asked = []
    monkeypatch.setattr(File, "size", property(lambda file: asked.append(file) or 1))
    assert rows.size == rows.size == len(asked) == len(rows.files) and rows == pickle.loads(pickle.dumps(rows))


@pytest.mark.hazard("HZ-LOAD-75")
def test_a_bug_of_a_reader_costs_the_rest_of_its_file_and_not_the_load(store, tmp_path, caplog):
    """What was read before it is kept, the other files are read, and the report names the place."""

    def read(file, feed):
        yield row(file.stem, resource("Patient", f"0000000{file.stem}-0000-5000-8000-000000000000"))
        if file.stem == "1":
            raise TypeError("9990009990")

    for number in (1, 2):
        (tmp_path / f"{number}.csv").write_text("x\n")
    toy = replace(source([]), check=lambda path, feed: delivered(path, (".csv",), ("utf-8",)), read=read)
    report = load.load(store, toy, tmp_path, NOBODY, CodeSets(), workers=0)
    assert report.exit_code == 1 and report.as_dict()["resources"]["Patient"] == {"created": 2}
    assert report.as_dict()["places"] == [
        "toy file 1: from here on it cannot be read: a fault of the gateway, which is logged"
    ]
    assert "TypeError" in caplog.text and "9990009990" not in caplog.text
