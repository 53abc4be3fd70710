"""Folders that are watched: what is whole is loaded once and in order; all else is left alone, and told."""

import contextlib
import csv
import gzip
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from gateway.errors import Refused
from gateway.intake import arriving
from gateway.intake import load as loading
from gateway.intake.watch import landing, watches
from gateway.intake.watch.looking import Outcome
from gateway.intake.watch.watching import Watcher
from gateway.store import faults, watched
from gateway.store.database import open_store
from gateway.terminology import sets
from mappings import Feed, sources
from tests.mappings import harness_emis, harness_tpp
from tests.mappings.harness_hl7v2 import adt
from tests.schema import sqlite_url

CODE_SETS = sets.load(sandbox=True)
OLD = 1_700_000_000
PID = "PID|1||H{number}^^^RXQ||Marsh^Ann||19700203|2"


def message(number: int, time_: str = "20250601070000") -> bytes:
    return adt("A28", time_, PID.format(number=number)).encode()


class Drop:
    """A drop folder, its store, and what one look after the other made of it."""

    def __init__(self, store, folder: Path, source: str = "hl7v2", more: dict | None = None, **settings):
        self.store, self.folder, self.data = store, folder / "drop", folder / "data"
        for each in (self.folder, self.data):
            each.mkdir(exist_ok=True)
        told = {"still_seconds": 0, "late_hours": 0, **settings, "source": source, "folder": str(self.folder)}
        self.feed = Feed(name="ward", settings={**(more or {}), "watch": told})
        self.told: list[tuple[str, str]] = []
        self.reports: list = []
        self.watcher = self.again()

    def again(self) -> Watcher:
        """A watcher that begins now, as after a kill."""
        watch = watches.opened(self.feed, sources(), self.data / "spool")
        (self.data / "spool").mkdir(exist_ok=True)
        self.watcher = Watcher(
            self.store, CODE_SETS, [watch], self.data / "spool", self.data / "watch.json", self._told, workers=0
        )
        return self.watcher

    def _told(self, watch, title, report, why) -> None:
        self.told.append((title, why or ("loaded" if report else "again")))
        self.reports.append(report)

    def put(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    @property
    def looker(self):
        return self.watcher._lookers[0]

    @property
    def standing(self) -> watched.Standing:
        """What is on disk of how it stands."""
        return watched.standings(self.data / "watch.json")["ward"]

    def lying(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def kept(self) -> int:
        with self.store.read() as session:
            return session.value("SELECT count(*) FROM kept")

    def loads(self) -> int:
        with self.store.read() as session:
            return session.value("SELECT count(*) FROM delivery WHERE report <> ''")


@pytest.fixture
def here(tmp_path):
    """A new sandbox store on SQLite: what is watched plays no part in a database. Where it does, ``store`` is both."""
    opened = open_store(sqlite_url(tmp_path / "gateway.db"), create="sandbox")
    yield opened
    opened.close()


@pytest.fixture
def drop(here, tmp_path):
    return Drop(here, tmp_path)


def emis(drop: Drop, number: int, day: int, folder: str = "", rows=(), without: str = "", agreement: str = "") -> None:
    """Put an extract of a day, with EMIS's number of its processing."""
    work = drop.data / f"emis-{number}-{day}-{len(list(drop.data.iterdir()))}"
    harness_emis.write(work, rows, time=f"202403{day:02}010000", without=without)
    for path in work.iterdir():
        name = path.name.replace("1-2_", f"{number}-{number}_")
        name = name.replace(harness_emis.AGREEMENT.upper(), agreement) if agreement else name
        drop.put(f"{folder}{name}", path.read_bytes())


def tpp(drop: Drop, day: int, since: int = 0, name: str = "") -> Path:
    """Put an extract of a day that tells the changes since another one, or everything."""
    folder = drop.folder / (name or f"202403{day:02}_0100")
    harness_tpp.write(folder, time=f"202403{day:02}_0100")
    if since:
        manifest = folder / "SRManifest.csv"
        with manifest.open(encoding="cp1252", newline="") as file:
            rows = list(csv.reader(file))
        rows[1:] = [[each[0], "Y", "N", f"202403{since:02}_0100", each[4]] for each in rows[1:]]
        with manifest.open("w", encoding="cp1252", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    return folder


# What is whole


def test_a_delivery_is_loaded_and_moved_to_done(drop):
    drop.put("a.hl7", message(1))
    assert drop.watcher.once()
    assert drop.lying() == ["done/a.hl7"] and drop.kept() == 1
    assert drop.told == [("", "loaded")] and drop.standing.counts == {"loaded": 1}


@pytest.mark.hazard("HZ-FEED-11")
@pytest.mark.parametrize("name", ["a.hl7.part", "a.tmp", "a.hl7.filepart", ".a.hl7", "a.hl7~", "~$a.hl7", "x/.y/a.hl7"])
def test_what_is_being_written_is_left_alone_until_it_has_its_name(drop, name):
    path = drop.put(name, message(1)[:40])
    assert drop.watcher.once() and drop.lying() == [name] and drop.kept() == 0
    path.write_bytes(message(1))
    path.rename(drop.folder / "whole.hl7")
    assert drop.watcher.once() and drop.lying() == ["done/whole.hl7"] and drop.kept() == 1


@pytest.mark.hazard("HZ-FEED-11")
def test_a_file_that_grows_is_not_loaded_before_it_stands_still(here, tmp_path):
    now = [OLD * 1_000_000]
    here.clock = lambda: now[0]
    drop = Drop(here, tmp_path, still_seconds=60)
    path = drop.put("a.hl7", message(1)[:40])
    for piece in (80, 120, len(message(1))):
        os.utime(path, (OLD + 5000, OLD + 5000))  # a share whose clock is ahead
        assert drop.looker.look() is Outcome.NOTHING and drop.standing.incomplete == 1
        path.write_bytes(message(1)[:piece])
        now[0] += 61_000_000
    os.utime(path, (OLD + 6000, OLD + 6000))
    assert drop.looker.look() is Outcome.NOTHING
    now[0] += 59_000_000
    assert drop.looker.look() is Outcome.NOTHING
    now[0] += 1_000_000
    assert drop.looker.look() is Outcome.LOADED and drop.kept() == 1


@pytest.mark.hazard("HZ-FEED-11")
def test_a_share_whose_clock_is_behind_makes_no_growing_file_whole(here, tmp_path):
    now = [OLD * 1_000_000]
    here.clock = lambda: now[0]
    drop = Drop(here, tmp_path, still_seconds=60)
    path = drop.put("a.hl7", message(1)[:40])
    for second, piece in enumerate((40, 80, len(message(1)))):
        path.write_bytes(message(1)[:piece])
        os.utime(path, (OLD - 90_000 + second, OLD - 90_000 + second))
        assert drop.looker.look() is Outcome.NOTHING and drop.standing.incomplete == 1
        now[0] += 30_000_000
    assert drop.looker.look() is Outcome.NOTHING
    now[0] += 30_000_000
    assert drop.again().once() and drop.kept() == 1, "the looks before a restart count"


@pytest.mark.hazard("HZ-FEED-11")
def test_a_new_file_with_the_node_of_a_temporary_one_is_not_whole_at_once(here, tmp_path):
    drop = Drop(here, tmp_path, still_seconds=3600)
    part = drop.put("a.hl7.part", message(1))
    assert drop.looker.look() is Outcome.NOTHING
    part.write_bytes(message(1)[:40])  # as the system does that gives a node anew
    part.rename(drop.folder / "b.hl7")
    assert drop.looker.look() is Outcome.NOTHING
    (drop.folder / "b.hl7").write_bytes(message(1)[:60])
    assert drop.looker.look() is Outcome.NOTHING and drop.kept() == 0


def test_a_file_that_was_seen_under_a_temporary_name_is_whole_when_it_gets_its_own(here, tmp_path):
    drop = Drop(here, tmp_path, still_seconds=3600)
    path = drop.put("a.hl7.part", message(1))
    assert drop.looker.look() is Outcome.NOTHING
    path.rename(drop.folder / "x.hl7")
    drop.put("y.hl7.part", message(2))
    assert drop.looker.look() is Outcome.LOADED
    (drop.folder / "y.hl7.part").rename(drop.folder / "y.hl7")
    assert drop.looker.look() is Outcome.LOADED and drop.kept() == 2


@pytest.mark.parametrize(
    "marker, lies, whole",
    [
        ("READY", ["one/a.hl7", "two/b.hl7", "two/READY"], ["two/b.hl7"]),
        ("*.ok", ["a.hl7", "b.hl7", "b.hl7.ok"], ["b.hl7"]),
        ("*.done", ["a.hl7", "b.hl7", "b.done"], ["b.hl7"]),
        ("ok_*", ["a.hl7", "b.hl7", "ok_b.hl7"], ["b.hl7"]),
    ],
)
def test_with_a_marker_only_what_is_marked_is_whole(here, tmp_path, marker, lies, whole):
    drop = Drop(here, tmp_path, marker=marker)
    for number, name in enumerate(lies):
        drop.put(name, b"" if name.count(".") != 1 or "ok_" in name or "done" in name else message(number))
    assert drop.watcher.once() and drop.kept() == 1
    left = [name for name in drop.lying() if not name.startswith("done/")]
    assert left == [lies[0]] and f"done/{whole[0]}" in drop.lying()


@pytest.mark.hazard("HZ-FEED-11")
def test_an_extract_of_emis_waits_for_its_21st_table(here, tmp_path):
    drop = Drop(here, tmp_path, "emis")
    emis(drop, 7, 12, without="Admin_Patient")
    assert drop.looker.look() is Outcome.NOTHING and drop.standing.incomplete == 1 and drop.loads() == 0
    emis(drop, 7, 12)
    assert drop.looker.look() is Outcome.LOADED and drop.told == [("extract of 20240312010000", "loaded")]
    assert len(drop.lying()) == 21 and all(name.startswith("done/") for name in drop.lying())


@pytest.mark.hazard("HZ-FEED-11")
def test_an_extract_of_tpp_waits_for_its_manifest_and_what_that_lists(here, tmp_path):
    drop = Drop(here, tmp_path, "tpp")
    folder = tpp(drop, 12)
    manifest, patients = (folder / "SRManifest.csv").read_bytes(), (folder / "SRPatient.csv").read_bytes()
    (folder / "SRManifest.csv").unlink()
    assert drop.looker.look() is Outcome.NOTHING
    (folder / "SRPatient.csv").unlink()
    (folder / "SRManifest.csv").write_bytes(manifest)
    assert drop.looker.look() is Outcome.NOTHING and drop.standing.incomplete == 1
    (folder / "SRPatient.csv").write_bytes(patients)
    assert drop.looker.look() is Outcome.LOADED and drop.told == [("extract of 20240312_0100", "loaded")]
    assert not folder.exists()


@pytest.mark.hazard("HZ-FEED-26")
@pytest.mark.parametrize(
    "broken", [lambda data: data[:30], lambda data: data[:-6], lambda data: data[:20] + bytes(20) + data[40:],
               lambda data: b"FileName" + data, lambda data: b"", lambda data: data[:3],
               lambda data: gzip.compress(b'"A","B"\r\n"1","2"\r\n')],
    ids=["begun", "cut off", "changed", "no gzip", "empty", "head", "other columns"],
)  # fmt: skip
def test_a_manifest_that_is_being_written_or_damaged_stops_no_other_extract(here, tmp_path, broken):
    now = [OLD * 1_000_000]
    here.clock = lambda: now[0]
    drop = Drop(here, tmp_path, "tpp", still_seconds=60)
    folder = tpp(drop, 12)
    whole = gzip.compress((folder / "SRManifest.csv").read_bytes())
    (folder / "SRManifest.csv").unlink()
    (folder / "SRManifest.csv.gz").write_bytes(broken(whole))
    tpp(drop, 13)
    assert drop.looker.look() is Outcome.NOTHING and not drop.looker.standing.trouble
    assert drop.looker.standing.incomplete == 2
    now[0] += 61_000_000
    outcomes = [drop.looker.look() for _ in range(3)]
    assert Outcome.LOADED in outcomes and Outcome.REFUSED in outcomes, (outcomes, drop.looker.standing.trouble)
    assert drop.loads() == 1 and (drop.folder / "failed" / folder.name).is_dir()


@pytest.mark.hazard("HZ-FEED-26")
def test_a_manifest_is_not_read_before_it_stands_still(here, tmp_path, monkeypatch):
    drop = Drop(here, tmp_path, "tpp", still_seconds=60)
    tpp(drop, 12)
    monkeypatch.setattr(arriving, "read_small", lambda path: pytest.fail("read"))
    assert drop.looker.look() is Outcome.NOTHING and not drop.looker.standing.trouble


@pytest.mark.hazard("HZ-FEED-22")
@pytest.mark.parametrize("after, source", [("move", "hl7v2"), ("move", "cld"), ("delete", "cld")])
@pytest.mark.parametrize("name", ["done", "failed"])
def test_a_link_in_the_place_of_our_folders_leads_nothing_into_another_feed(here, tmp_path, name, after, source):
    drop = Drop(here, tmp_path, source, after=after)
    (tmp_path / "other").mkdir()
    (drop.folder / name).symlink_to(tmp_path / "other")
    drop.put("a.hl7", message(1))
    assert not drop.watcher.once() and "is a link" in drop.standing.trouble and drop.kept() == 0
    assert not list((tmp_path / "other").iterdir()) and (drop.folder / "a.hl7").is_file()
    (drop.folder / name).unlink()
    assert drop.watcher.once() is (source == "hl7v2")


@pytest.mark.hazard("HZ-FEED-22")
@pytest.mark.parametrize("place", ["done", "done/x", "x"])
def test_a_link_that_appears_while_a_delivery_is_loaded_is_not_followed(drop, tmp_path, monkeypatch, place):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.hl7").write_bytes(message(2))
    drop.put("x/a.hl7", message(1))
    real = loading.load

    def swapped(*args, **words):
        report = real(*args, **words)
        if place == "x":
            (drop.folder / "x").rename(drop.folder / ".y")
        (drop.folder / place).parent.mkdir(exist_ok=True)
        (drop.folder / place).symlink_to(tmp_path / "other")
        return report

    monkeypatch.setattr(loading, "load", swapped)
    drop.watcher.once()
    assert [path.read_bytes() for path in (tmp_path / "other").iterdir()] == [message(2)]


@pytest.mark.hazard("HZ-FEED-22")
@pytest.mark.parametrize("kind", ["link", "folder link", "pipe", "another", "nothing"])
def test_what_is_another_thing_than_was_looked_at_is_not_read(drop, tmp_path, monkeypatch, kind):
    path = drop.put("x/a.hl7", message(1))
    shutil.copytree(drop.folder / "x", tmp_path / "other")
    real = landing.digest

    def swapped(*args):
        monkeypatch.setattr(landing, "digest", real)
        if kind == "folder link":
            (drop.folder / "x").rename(drop.folder / ".x")
            (drop.folder / "x").symlink_to(tmp_path / "other")
        else:
            path.unlink()
        if kind == "link":
            path.symlink_to(tmp_path / "other" / "a.hl7")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "another":
            path.write_bytes(message(22))
        return real(*args)

    monkeypatch.setattr(landing, "digest", swapped)
    assert drop.looker.look() is Outcome.HELD and "changed" in drop.standing.trouble and drop.kept() == 0


@pytest.mark.parametrize("name", ["done", "failed"])
def test_a_file_that_is_named_as_one_of_our_folders_is_a_delivery_and_stops_no_other(drop, name):
    drop.put(name, message(1))
    drop.put("a.hl7", message(2))
    assert drop.watcher.once() and drop.kept() == 2
    assert drop.lying() == ["done/a.hl7", f"done/{name}.file"]


def test_a_link_is_not_followed(drop, tmp_path):
    (tmp_path / "elsewhere.hl7").write_bytes(message(1))
    (drop.folder / "a.hl7").symlink_to(tmp_path / "elsewhere.hl7")
    assert drop.watcher.once() and drop.kept() == 0


# Order and gaps


@pytest.mark.hazard("HZ-FEED-12")
def test_deliveries_are_loaded_in_the_order_of_their_extracts(here, tmp_path):
    drop = Drop(here, tmp_path, "emis")
    for number, day, folder in ((3, 14, "a/"), (1, 12, "b/"), (2, 13, "c/")):
        emis(drop, number, day, folder)
    assert drop.watcher.once()
    assert [title for title, _ in drop.told] == [f"extract of 202403{day}010000" for day in (12, 13, 14)]


@pytest.mark.hazard("HZ-FEED-12")
@pytest.mark.parametrize("policy", ["wait", "load"])
def test_a_number_that_was_passed_over_is_a_gap_until_it_comes(here, tmp_path, policy):
    drop = Drop(here, tmp_path, "emis", gaps=policy)
    emis(drop, 5, 12)
    assert drop.watcher.once()
    emis(drop, 7, 14)
    assert not drop.watcher.once() and len(drop.standing.gaps) == 1
    assert drop.loads() == (1 if policy == "wait" else 2)
    assert bool(drop.standing.trouble) == (policy == "wait") and drop.standing.faults(here.clock())
    assert not drop.again().once()
    emis(drop, 6, 13)
    assert drop.watcher.once() and not drop.standing.gaps and drop.loads() == 3


def test_one_stream_waits_for_its_gap_and_the_other_goes_on(here, tmp_path):
    drop = Drop(here, tmp_path, "emis")
    other = "0B1D0000-0000-4000-8000-000000000002"
    emis(drop, 5, 12)
    emis(drop, 5, 12, agreement=other)
    assert drop.watcher.once()
    emis(drop, 7, 14)
    emis(drop, 8, 15)
    emis(drop, 6, 15, agreement=other)
    assert not drop.watcher.once() and drop.loads() == 3 and drop.standing.waiting == 2
    assert len(drop.standing.gaps) == 1


def test_numbers_that_begin_anew_are_no_gap(here, tmp_path):
    drop = Drop(here, tmp_path, "emis")
    for number, day in ((205, 12), (1, 13), (204, 11), (2, 14)):  # one comes late, with a number of the old count
        emis(drop, number, day)
        assert drop.watcher.once(), day
    assert not drop.standing.gaps and drop.loads() == 4


@pytest.mark.hazard("HZ-FEED-12")
def test_changes_since_later_than_the_last_extract_are_a_gap(here, tmp_path):
    drop = Drop(here, tmp_path, "tpp")
    tpp(drop, 12)
    assert drop.watcher.once()
    tpp(drop, 13, since=12)
    assert drop.watcher.once()
    tpp(drop, 15, since=14)
    assert not drop.watcher.once() and drop.loads() == 2 and len(drop.standing.gaps) == 1
    tpp(drop, 14, since=11)
    assert drop.watcher.once() and drop.loads() == 4 and not drop.standing.gaps


def test_everything_sent_again_fills_what_was_missing(here, tmp_path):
    drop = Drop(here, tmp_path, "tpp", gaps="load")
    for day, since in ((12, 0), (15, 14)):
        tpp(drop, day, since)
    assert not drop.watcher.once() and len(drop.standing.gaps) == 1
    tpp(drop, 16)
    assert drop.watcher.once() and not drop.standing.gaps


def test_a_missing_day_is_a_gap_where_only_the_names_tell(here, tmp_path):
    from gateway.intake.watch import gaps
    from mappings import Arrival

    settings = watches.Watching(source="cld", folder="x", every_hours=24)
    standing = watched.Standing()
    for time_, expected in (("20260301", False), ("20260302", False), ("20260304", True), ("20260303", False)):
        arrival = Arrival(("x",), time=time_)
        gap = gaps.before(standing, arrival, settings, 1)
        assert bool(gap) is expected, time_
        if gap:
            gaps.note(standing, gap)
        gaps.passed(standing, arrival)
    assert not standing.gaps and list(standing.extracted.values()) == ["20260304"]


# Once, whatever happens


@pytest.mark.hazard("HZ-FEED-13")
@pytest.mark.parametrize("after", ["move", "leave", "delete"])
def test_a_delivery_is_loaded_once(store, tmp_path, after):
    drop = Drop(store, tmp_path, after=after)
    drop.put("a.hl7", message(1))
    assert drop.watcher.once() and drop.watcher.once() and drop.again().once()
    (tmp_path / "data" / "watch.json").unlink()
    assert drop.again().once()
    drop.put("a.hl7", message(1))
    assert drop.watcher.once() and drop.loads() == 1
    assert drop.lying() == {"move": ["done/a.hl7", "done/a.hl7.2"], "leave": ["a.hl7"], "delete": []}[after]


@pytest.mark.hazard("HZ-FEED-13")
@pytest.mark.parametrize("where", ["load", "save", "put_away"])
def test_what_is_cut_off_is_done_again_and_nothing_twice(store, tmp_path, monkeypatch, where):
    """A kill is an exception here that nothing catches, before or after each step."""
    drop = Drop(store, tmp_path)

    class Killed(BaseException):
        pass

    real = {"load": loading.load, "save": watched.save, "put_away": landing.put_away}[where]
    homes = {"load": loading, "save": watched, "put_away": landing}
    drop.put("x/a.hl7", message(1))
    drop.put("x/b.hl7", message(2))
    for when in ("before", "after", "half"):

        def cut(*args, when=when, **words):
            if when == "after" or (when == "half" and where != "put_away"):
                real(*args, **words)
            elif when == "half":
                folder, files, to = args
                real(folder, dict(list(files.items())[:1]), to)
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(homes[where], where, cut)
            with contextlib.suppress(Killed):
                drop.again().once()
        drop.again()
    assert drop.watcher.once() and drop.kept() == 2 and drop.loads() == 1
    assert drop.lying() == ["done/x/a.hl7", "done/x/b.hl7"]


@pytest.mark.hazard("HZ-FEED-23")
@pytest.mark.parametrize("after", ["move", "delete"])
@pytest.mark.parametrize("source", ["hl7v2", "cld"])
def test_a_file_that_is_replaced_while_another_of_its_name_is_loaded_is_loaded_too(
    here, tmp_path, monkeypatch, source, after
):
    drop = Drop(here, tmp_path, source, after=after)
    path = drop.put("a.hl7", message(1))
    real = loading.load

    def replaced(*args, **words):
        try:
            return real(*args, **words)
        finally:
            monkeypatch.setattr(loading, "load", real)
            path.with_name("a.part").write_bytes(message(2))
            path.with_name("a.part").rename(path)

    monkeypatch.setattr(loading, "load", replaced)
    outcome = drop.looker.look()
    assert path.read_bytes() == message(2), outcome
    drop.watcher.once()
    assert drop.kept() == (2 if source == "hl7v2" else 0) and len(drop.told) == 2 and not path.exists()


@pytest.mark.hazard("HZ-FEED-14")
def test_a_refused_delivery_lies_in_failed_with_its_report_and_may_be_put_back(here, tmp_path):
    drop = Drop(here, tmp_path, "cld")
    drop.put("CLD_503_2026-01-20_Hartley.csv", b"not,a,return\n")
    assert not drop.watcher.once()
    assert drop.lying() == [
        "failed/CLD_503_2026-01-20_Hartley.csv",
        "failed/CLD_503_2026-01-20_Hartley.csv.report.json",
    ]
    report = json.loads((drop.folder / "failed/CLD_503_2026-01-20_Hartley.csv.report.json").read_text())
    assert report["reason"].startswith("file 1: column") and report["delivery"] == "return of 20260120"
    assert drop.standing.refused == 1 and drop.standing.reason == report["reason"]
    assert "Hartley" not in (tmp_path / "data" / "watch.json").read_text() + json.dumps(report)
    shutil.copy(_return(), drop.folder / "CLD_503_2026-01-20_Hartley.csv")
    assert drop.watcher.once() and drop.standing.refused == 0 and drop.loads() == 1


def _return() -> Path:
    return Path(__file__).parents[2] / "mappings/cld/samples/CLD_503_2026-01-20.csv"


def test_in_a_folder_that_is_left_as_it_is_a_refusal_is_told_and_not_tried_again(here, tmp_path):
    drop = Drop(here, tmp_path, "cld", after="leave")
    path = drop.put("a.csv", b"not,a,return\n")
    assert not drop.watcher.once() and not drop.again().once()
    assert drop.standing.refused == 1 and drop.standing.counts == {"refused": 1} and drop.lying() == ["a.csv"]
    path.write_bytes(_return().read_bytes())
    assert drop.watcher.once() and drop.standing.refused == 0


def test_what_fails_for_a_time_is_tried_again_later_and_in_its_order(drop, monkeypatch):
    now = [OLD * 1_000_000]
    drop.store.clock = lambda: now[0]
    drop.put("a.hl7", message(1))
    real, waits = loading.load, []

    def busy(*args, **words):
        raise faults.unavailable(faults.BUSY)

    monkeypatch.setattr(loading, "load", busy)
    for _ in range(9):
        assert drop.looker.look() is Outcome.HELD and "busy" in drop.standing.trouble
        waits.append((drop.standing.retry - now[0]) // 1_000_000)
        now[0] = drop.standing.retry - 1
        assert drop.looker.look() is Outcome.HELD
        now[0] += 1
    assert waits == [10, 20, 40, 80, 160, 320, 640, 900, 900] and drop.lying() == ["a.hl7"]
    monkeypatch.setattr(loading, "load", real)
    assert drop.looker.look() is Outcome.LOADED and not drop.standing.trouble and not drop.standing.attempts


def test_a_delivery_with_rejects_is_done_and_once_says_so(drop):
    drop.put("a.hl7", message(1) + b"\rMSH|^~\\&|PAS|RZZ|||20260101||ADT^A99|1|P|2.4\r")
    assert not drop.watcher.once() and drop.lying() == ["done/a.hl7"]
    assert drop.standing.counts == {"loaded": 1, "with rejects": 1} and drop.watcher.once()


def test_one_bug_refuses_one_delivery(drop, monkeypatch):
    drop.put("a.hl7", message(1))
    drop.put("b.hl7", message(2))
    real = loading.load

    def broken(store, source, path, *args, **words):
        if path.name == "a.hl7":
            raise KeyError("Hartley")
        return real(store, source, path, *args, **words)

    monkeypatch.setattr(loading, "load", broken)
    assert not drop.watcher.once() and drop.kept() == 1
    assert "a bug (KeyError)" in drop.standing.reason and "Hartley" not in drop.standing.reason


def test_it_stops_between_two_transactions_and_goes_on_at_the_next_start(drop):
    drop.put("a.hl7", message(1))
    drop.watcher.stop.set()
    assert drop.watcher.run() is None and drop.kept() == 0
    drop.watcher.stop.clear()
    drop.looker.desk.is_stopping = lambda: True
    assert not drop.watcher.once() and drop.lying() == ["a.hl7"] and drop.loads() == 0
    assert drop.again().once() and drop.loads() == 1 and drop.kept() == 1


@pytest.mark.hazard("HZ-FEED-24")
@pytest.mark.parametrize("after", ["move", "delete", "leave"])
@pytest.mark.parametrize("name", [b"Zo\xeb.hl7", b"x\xff/a.hl7", b"\xed\xa0\x80.hl7"])
def test_a_name_that_is_not_utf_8_is_refused_and_stops_no_other(drop, tmp_path, name, after):
    drop = Drop(drop.store, tmp_path, after=after)
    drop.put(os.fsdecode(name), message(1))
    drop.put("z.hl7", message(2))
    assert not drop.watcher.once() and drop.kept() == 1
    assert drop.standing.reason == "the name of a file is not UTF-8" and drop.standing.refused == 1
    assert (drop.folder / os.fsdecode(name)).exists() is (after == "leave")


@pytest.mark.hazard("HZ-FEED-24")
def test_names_on_their_way_are_remembered_whatever_their_bytes(tmp_path):
    names = dict.fromkeys([os.fsdecode(b"Zo\xeb"), "Zoë", "a"], "done")
    standing = watched.Standing(settling=names, facts=dict.fromkeys(names, (1, 2, 3)), sent_away=names)
    watched.save(tmp_path / "watch.json", {"ward": standing})
    assert watched.standings(tmp_path / "watch.json") == {"ward": standing}


@pytest.mark.hazard("HZ-FEED-24")
@pytest.mark.parametrize("error", [UnicodeEncodeError("utf-8", "x", 0, 1, "y"), OSError(28, "full"), KeyError("x")])
def test_a_feed_that_cannot_be_remembered_waits_and_ends_nothing(drop, monkeypatch, error):
    def broken(*_):
        raise error

    drop.put("a.hl7", message(1))
    with monkeypatch.context() as patch:
        patch.setattr(watched, "save", broken)
        assert drop.looker.look() is Outcome.HELD and drop.looker.standing.trouble
    assert drop.watcher.once() and drop.loads() == 1


# Packed


def test_gzipped_files_and_a_zip_are_loaded_as_what_they_hold(here, tmp_path):
    drop = Drop(here, tmp_path, "emis")
    emis(drop, 1, 12, folder="work/")
    for path in (drop.folder / "work").iterdir():
        drop.put(f"{path.name}.gz", gzip.compress(path.read_bytes()))
    shutil.rmtree(drop.folder / "work")
    emis(drop, 2, 13, folder="work/")
    with zipfile.ZipFile(tmp_path / "second.zip", "w") as archive:
        for path in (drop.folder / "work").iterdir():
            archive.write(path, path.name)
    shutil.rmtree(drop.folder / "work")
    emis(drop, 4, 15, folder="work/")
    with zipfile.ZipFile(tmp_path / "fourth.zip", "w") as archive:
        for path in (drop.folder / "work").iterdir():
            archive.write(path, path.name)
    shutil.rmtree(drop.folder / "work")
    shutil.move(tmp_path / "second.zip", drop.folder)
    shutil.move(tmp_path / "fourth.zip", drop.folder)
    assert not drop.watcher.once()
    assert [title for title, _ in drop.told] == ["extract of 20240312010000", "extract of 20240313010000"]
    assert len(drop.standing.gaps) == 1 and "fourth.zip" in drop.lying()


def test_a_report_tells_when_the_source_made_it_and_how_long_it_took(here, tmp_path):
    """Local time of the feed, in summer."""
    here.clock = lambda: 1_720_778_400_000_000  # 2024-07-12T10:00:00Z
    folder = harness_emis.write(tmp_path / "extract", time="20240712100000")
    report = loading.load(here, sources()["emis"], folder, Feed(), CODE_SETS, workers=0).as_dict()
    assert (report["extracted"], report["lagSeconds"]) == ("2024-07-12T09:00:00+00:00", 3600)
    (tmp_path / "a.hl7").write_bytes(message(1))
    report = loading.load(here, sources()["hl7v2"], tmp_path / "a.hl7", Feed(), CODE_SETS, workers=0).as_dict()
    assert (report["extracted"], report["lagSeconds"]) == (None, None)


# Settings


@pytest.mark.parametrize(
    "table, words",
    [
        ({"source": "none"}, "watch: source"),
        ({"folder": "/none/such"}, "watch: folder"),
        ({"gaps": "skip"}, "watch: gaps"),
        ({"still": 5}, "watch: still"),
        ({"marker": "a/b"}, "watch: marker"),
        ({"host_key": "ssh-ed25519 AAAA"}, "watch: key"),
        ({"folder": "sftp://host/x"}, "watch: folder is sftp"),
        ({"folder": "sftp://me:word@host/x"}, "watch: folder is sftp"),
        ({"folder": "sftp://me@host/x"}, "watch: host_key"),
        ({"folder": "sftp://me@host/x", "host_key": "ssh-ed25519 AAAA"}, "watch: key"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_its_key(tmp_path, table, words):
    feed = Feed(name="ward", settings={"watch": {"source": "emis", "folder": str(tmp_path), **table}})
    with pytest.raises(Refused, match=words):
        watches.opened(feed, sources(), tmp_path)


def test_a_second_watcher_of_a_data_folder_is_refused(tmp_path):
    with (
        watched.alone(tmp_path / "watch.json"),
        pytest.raises(Refused, match="another"),
        watched.alone(tmp_path / "watch.json"),
    ):
        raise AssertionError
    with watched.alone(tmp_path / "watch.json"):
        pass


def test_a_damaged_memory_costs_a_look_and_no_load(drop):
    drop.put("a.hl7", message(1))
    assert drop.watcher.once()
    (drop.data / "watch.json").write_text("{")
    drop.put("a.hl7", message(1))
    assert drop.again().once() and drop.loads() == 1


@pytest.mark.hazard("HZ-FEED-15")
def test_a_feed_that_is_late_or_that_nobody_watches_says_so(here, tmp_path):
    now = [OLD * 1_000_000]
    here.clock = lambda: now[0]
    drop = Drop(here, tmp_path, late_hours=24)
    assert drop.watcher.once() and not drop.standing.faults(now[0])
    now[0] += 25 * 3_600_000_000
    assert drop.standing.faults(now[0]) == ["nothing came for 24 hours", "nobody looks: is gateway watch running?"]
    drop.put("a.hl7", message(1))
    assert drop.watcher.once() and not drop.standing.faults(now[0])
