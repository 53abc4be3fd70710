"""One look at the folder of a feed: finds what is whole, loads the first of it, and puts it away.

It can be killed at any point. A delivery is loaded when the store says so, in the transaction that ended it, and by the
digest of its files; everything else is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec

from gateway import log
from gateway.errors import GatewayError, Refused, Unavailable
from gateway.intake import arriving, load, staging, unsealing
from gateway.intake.report import Report
from gateway.intake.watch import gaps, landing
from gateway.intake.watch.landing import Lying
from gateway.intake.watch.watches import DONE, FAILED, Watch
from gateway.nhs.codesets import CodeSets
from gateway.store import deliveries, faults
from gateway.store.database import Store
from gateway.store.hashes import hex64
from gateway.store.watched import Standing
from mappings import Arrival
from mappings.readers.files import is_zip

FIRST_WAIT, LONGEST_WAIT = 10, 900
"""Seconds until what failed for a time is tried again, twice as many each time."""


class Stopped(BaseException):
    """The watch was told to end while it loads. What was not loaded is loaded at the next start."""


class Outcome(Enum):
    """What came of a look."""

    NOTHING = auto()
    LOADED = auto()
    REFUSED = auto()
    HELD = auto()


@dataclass(frozen=True)
class Ready:
    """A delivery that lies there whole: ``files`` are its own, ``names`` those and their markers."""

    arrival: Arrival
    files: tuple[str, ...]
    names: tuple[str, ...]
    mtime: int
    token: str
    facts: dict[str, landing.Facts]

    @property
    def order(self) -> tuple[str, int, tuple[str, ...]]:
        """Deliveries are loaded in the order in which they were extracted, else in that of their files."""
        return self.arrival.time, self.mtime, self.files

    @property
    def top(self) -> str:
        return self.files[0].partition("/")[0]


Said = TypeVar("Said")
Became: TypeAlias = Callable[[Watch, str, Report | None, str], None]
"""Called with what became of a delivery: its title, its report, or why it was refused."""


@dataclass
class Desk:
    """What every look needs: the store and its code sets, where files are decrypted, how to remember, and whether to
    stop."""

    store: Store
    sets: CodeSets
    spool: Path
    save: Callable[[], None]
    became: Became
    is_stopping: Callable[[], bool]
    workers: int | None = None

    def step(self, *_: object) -> None:
        """Called between two transactions of a load."""
        if self.is_stopping():
            raise Stopped


class Looker:
    """The look at one feed. While it runs, ``_temporary`` remembers which files were being written at the last look,
    and are whole since then; ``_said`` what a manifest or a zip says that lies there unchanged."""

    def __init__(self, desk: Desk, watch: Watch, standing: Standing):
        self.desk, self.watch, self.standing = desk, watch, standing
        self._temporary: frozenset[Lying] = frozenset()
        self._said: dict[str, tuple[Lying, Any]] = {}
        standing.source, standing.late, standing.look = (
            watch.source.name, watch.settings.late_hours, watch.settings.look_seconds,
        )  # fmt: skip
        standing.began = standing.began or desk.store.clock()

    @property
    def _now(self) -> int:
        return self.desk.store.clock()

    def look(self) -> Outcome:
        """Load the first delivery that is whole and has its turn. What fails for a time is tried again later."""
        standing = self.standing
        if standing.retry > self._now:
            return Outcome.HELD
        outcome, is_saved = Outcome.HELD, False
        with self._trying():
            outcome = self._look()
        with self._trying():
            self.desk.save()
            is_saved = True
        return outcome if is_saved else Outcome.HELD

    @contextmanager
    def _trying(self) -> Iterator[None]:
        """Have this feed wait where the block fails, and the others go on."""
        try:
            yield
        except (Unavailable, OSError) as error:
            self._wait(str(error) if isinstance(error, Unavailable) else _words(error))
        except Exception as error:
            self._wait(_bug(error))

    def _wait(self, why: str) -> None:
        """Try again later, and say why."""
        standing = self.standing
        standing.trouble, standing.attempts = why, standing.attempts + 1
        seconds = min(FIRST_WAIT << min(standing.attempts - 1, 10), LONGEST_WAIT)
        standing.retry = self._now + seconds * landing.US
        standing.count("retries")
        log.event("watch.waits", source=standing.source, reason=why, seconds=seconds)

    def _look(self) -> Outcome:
        if (self.watch.remote or self.watch.settings.after != "leave") and landing.make_way(self.watch.folder):
            log.event("watch.renamed", source=self.standing.source)
        self._settle()
        whole = self._whole()
        standing, waiting = self.standing, [ready for ready in whole if not self._is_known(ready)]
        standing.looked, standing.waiting, standing.trouble = self._now, len(waiting), ""
        self._count_refused(whole)
        if not waiting:
            standing.attempts = 0
            return Outcome.NOTHING
        turn = self._turn(waiting)
        if turn is None:
            return Outcome.HELD
        outcome = self._take(turn)
        standing.waiting, standing.attempts = len(waiting) - 1, 0
        self._count_refused(whole)
        return outcome

    def _turn(self, waiting: list[Ready]) -> Ready | None:
        """The first delivery that nothing is missing before, or that need not wait for it; None where all wait. What
        is missing is remembered."""
        standing, held = self.standing, set()
        for ready in waiting:
            stream = gaps.stream(ready.arrival)
            gap = gaps.before(standing, ready.arrival, self.watch.settings, self._now)
            if stream in held:
                continue
            if gap is None:
                return ready
            gaps.note(standing, gap)
            log.event("watch.gap", source=standing.source, state=self.watch.settings.gaps)
            if self.watch.settings.gaps == "load":
                return ready
            held.add(stream)
            standing.trouble = "a delivery is missing before the next"
        return None

    # What lies there

    def _whole(self) -> list[Ready]:
        """The deliveries that are whole, in their order. What is left where it lies and is no more is forgotten."""
        watch, standing = self.watch, self.standing
        files, temporary = landing.lying(watch.folder)
        seconds = 0 if watch.remote else watch.settings.still_seconds
        still, standing_still = landing.standing_still(files, standing.still, self._temporary, self._now, seconds)
        self._temporary = temporary | frozenset(files[name] for name in still if files[name] in self._temporary)
        markers: dict[str, str] = {}
        if watch.settings.marker:
            markers = landing.marked(files, watch.settings.marker)
            still &= markers.keys()
        if not watch.remote:
            standing.still = standing_still
        own = {name: file for name, file in files.items() if name not in markers.values()}
        arrivals = self._arrivals(own, still)
        complete = [arrival for arrival in arrivals if not arrival.lacks and still.issuperset(arrival.files)]
        standing.incomplete = len(arrivals) - len(complete)
        whole = sorted((_ready(arrival, files, markers) for arrival in complete), key=lambda ready: ready.order)
        if not watch.remote:
            tokens = {ready.token for ready in whole}
            standing.known = {name: what for name, what in standing.known.items() if name in tokens}
        return whole

    def _arrivals(self, files: Mapping[str, Lying], still: Collection[str]) -> list[Arrival]:
        """The deliveries, by the names that the files have once they are decrypted and decompressed. What does not
        stand still is not read."""
        by_clear: dict[str, str] = {}
        zips = []
        self._said = {name: said for name, said in self._said.items() if files.get(name) == said[0]}

        def read(clear: str) -> bytes:
            name = by_clear[clear]
            if name not in still:
                raise Refused("the file is being written")
            return self._once(name, files[name], self._read)

        for name in files:
            clear = arriving.clear(name)
            if name in still and "/" not in name and name.lower().endswith(".zip") and is_zip(self.watch.folder / name):
                zips.append(self._zipped(name, files[name]))
            else:
                by_clear[name if clear in by_clear else clear] = name
        arrivals = self.watch.source.arrivals(by_clear, read, self.watch.feed)
        return [
            *(replace(arrival, files=tuple(by_clear[name] for name in arrival.files)) for arrival in arrivals),
            *zips,
        ]

    def _once(self, name: str, file: Lying, read: Callable[[str], Said]) -> Said:
        """What a file says. It is read, and decrypted, once as long as it lies there."""
        if name not in self._said:
            self._said[name] = file, read(name)
        said: Said = self._said[name][1]
        return said

    def _zipped(self, name: str, file: Lying) -> Arrival:
        """The delivery in a zip. One that cannot be read says nothing: its load says why."""
        try:
            arrivals = self._once(name, file, self._in_zip)
        except Refused:
            return Arrival((name,))
        if len(arrivals) != 1:
            return Arrival((name,), time=max((arrival.time for arrival in arrivals), default=""))
        return replace(arrivals[0], files=(name,), lacks="")  # a zip that lacks something will not get it any more

    def _in_zip(self, name: str) -> list[Arrival]:
        return arriving.in_zip(self.watch.folder / name, self.watch.source, self.watch.feed)

    def _read(self, name: str) -> bytes:
        """What a small file holds, decrypted and decompressed."""
        path = self.watch.folder / name
        if not unsealing.is_sealed(name):
            return arriving.read_small(path)
        with staging.together(self.desk.spool, {path.name: path}, self.watch.feed) as folder:
            return arriving.read_small(folder / unsealing.clear_name(path.name))

    def _is_known(self, ready: Ready) -> bool:
        """Whether what is left where it lies was loaded or refused."""
        return ready.token in self.standing.known

    def _count_refused(self, whole: list[Ready]) -> None:
        moved = sum(1 for _ in (self.watch.folder / FAILED).glob(f"*{landing.REPORT}"))
        left = sum(self.standing.known.get(ready.token) == FAILED for ready in whole)
        self.standing.refused = moved + left
        self.standing.reason = self.standing.reason if self.standing.refused else ""

    # What becomes of it

    def _take(self, ready: Ready) -> Outcome:
        """Load a delivery, or refuse it."""
        standing, arrival = self.standing, ready.arrival
        try:
            report = self._load(ready)
        except Refused as error:
            self._refuse(ready, str(error))
            return Outcome.REFUSED
        except (Unavailable, OSError):
            raise
        except Exception as error:
            words = _bug(error)
            self._refuse(ready, str(error) if isinstance(error, GatewayError) else words)
            return Outcome.REFUSED
        gaps.passed(standing, arrival)
        standing.loaded = self._now
        standing.count("loaded" if report else "again")
        if report and report.rejects:
            standing.count("with rejects")
        landing.remove_report(self.watch.folder, f"{ready.top}{landing.REPORT}")
        self._put_away(ready, DONE)
        self.desk.became(self.watch, arrival.title, report, "")
        return Outcome.LOADED

    def _load(self, ready: Ready) -> Report | None:
        """Load a delivery and return its report; None for one that the store has already."""
        desk, watch = self.desk, self.watch
        if not all(map(_is_text, ready.files)):
            raise Refused("the name of a file is not UTF-8")
        own = {file: ready.facts[file] for file in ready.files}
        name = f"watch {watch.feed.name} {landing.digest(watch.folder, own)}"
        with desk.store.read() as session:
            if deliveries.is_loaded(session, watch.source.name, name):
                return None
        with self._staged(ready) as path:
            return load.load(
                desk.store,
                watch.source,
                path,
                watch.feed,
                desk.sets,
                workers=desk.workers,
                progress=desk.step,
                name=name,
            )

    @contextmanager
    def _staged(self, ready: Ready) -> Iterator[Path]:
        """The files of a delivery where a load can read them: one as it lies, several together, all decrypted."""
        folder = self.watch.folder
        if len(ready.files) == 1 and not unsealing.is_sealed(ready.files[0]):
            yield folder / ready.files[0]
            return
        files = {name: folder / name for name in ready.files}
        with staging.together(self.desk.spool, files, self.watch.feed) as staged:
            yield staged if len(files) > 1 else staged / unsealing.clear_name(ready.files[0])

    def _refuse(self, ready: Ready, why: str) -> None:
        """Put a delivery aside with the reason beside it. It is tried again when somebody puts it back."""
        self.standing.reason = why
        self.standing.count("refused")
        log.event("watch.refused", source=self.standing.source, reason=why)
        if self.watch.remote or self.watch.settings.after != "leave":
            about = {
                "feed": self.watch.feed.name, "source": self.watch.source.name, "delivery": ready.arrival.title,
                "files": len(ready.files), "at": self._now, "reason": why,
            }  # fmt: skip
            landing.write_report(self.watch.folder, f"{ready.top}{landing.REPORT}", msgspec.json.encode(about))
        self._put_away(ready, FAILED)
        self.desk.became(self.watch, ready.arrival.title, None, why)

    def _put_away(self, ready: Ready, to: str) -> None:
        """Move the files of a delivery, delete them or leave them. What is begun is remembered, and ended after a
        kill."""
        after, standing = self.watch.settings.after, self.standing
        standing.facts = ready.facts
        if self.watch.remote:
            standing.sent_away |= dict.fromkeys(ready.names, to)
            standing.settling = dict.fromkeys(ready.names, "" if to == DONE else FAILED)
        elif after == "leave":
            standing.known[ready.token] = to
        else:
            standing.settling = dict.fromkeys(ready.names, "" if (after, to) == ("delete", DONE) else to)
        self.desk.save()
        self._settle()

    def _settle(self) -> None:
        """End what was begun of putting files away."""
        standing = self.standing
        facts = standing.facts
        for to in sorted(set(standing.settling.values())):
            files = {name: facts[name] for name, goal in standing.settling.items() if goal == to and name in facts}
            landing.put_away(self.watch.folder, files, to)
        standing.settling, standing.facts = {}, {}


def _ready(arrival: Arrival, files: dict[str, Lying], markers: dict[str, str]) -> Ready:
    tokens = [landing.token(name, files[name]) for name in sorted(arrival.files)]
    of_others = {marker for name, marker in markers.items() if name not in arrival.files}
    own = {markers[name] for name in arrival.files if name in markers} - of_others
    names = [*sorted(arrival.files), *sorted(own)]
    mtime = max(files[name].mtime for name in arrival.files)
    facts = {name: landing.facts(files[name]) for name in names}
    return Ready(arrival, tuple(sorted(arrival.files)), tuple(names), mtime, hex64("ready", *tokens), facts)


def _is_text(name: str) -> bool:
    """Whether a name is UTF-8: the system gives every other byte as half a surrogate pair."""
    return not any("\ud800" <= sign <= "\udfff" for sign in name)


def _bug(error: Exception) -> str:
    """Log an error that nobody foresaw, and say so."""
    log.bug(error)
    return f"a bug ({type(error).__name__}): the log names the lines of code"


def _words(error: OSError) -> str:
    code = faults.meaning(error)
    return faults.WORDS[code] if code else "the folder cannot be read or written"
