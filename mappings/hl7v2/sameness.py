"""Which results are of one observation: by what names them and when they were observed, never by their value.

A name is OBX-3, OBX-4 and the parent result (OBR-26). OBX-14 is often the time of verification and differs between the
preliminary and the final of one result, so that it tells apart only results that are settled: a second final of another
time is another observation.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from msgspec.structs import replace

from mappings.hl7v2 import codes, times
from mappings.hl7v2.message import Encoding, Segment
from mappings.hl7v2.observation import CHANGES, FIRST, UNSETTLED, WITHDRAWN, Result

ZONE = "Europe/London"
"""Where two times are compared. Which zone it is makes no difference, as long as it is one."""

Key = tuple[str, ...]
Whole = tuple[str, ...]
"""The six components of OBX-3 that name a test, folded."""


def code_of(obx: Segment) -> str:
    """Return the code of OBX-3 (component 1, else the alternate's), else its words."""
    return _test(obx[3], obx.encoding)[0]


def whole_of(obx: Segment) -> Whole:
    return _test(obx[3], obx.encoding)[1]


@lru_cache(maxsize=16384)
def _test(raw: str, encoding: Encoding) -> tuple[str, Whole]:
    """Return the code of an OBX-3 as sent, and all that names the test: a laboratory has a few thousand of them."""
    field = Segment("OBX", f"OBX{encoding.field * 3}{raw}", encoding)
    code = field.text(3, 1) or field.text(3, 4) or (field.text(3, 2) or field.text(3, 5)).casefold()
    return code, tuple(" ".join(field.text(3, number).casefold().split()) for number in range(1, 7))


def is_other(left: Whole, right: Whole) -> bool:
    """Whether two OBX-3 contradict each other in a component that both fill."""
    return any(a and b and a != b for a, b in zip(left, right))


def parent_of(obr: Segment) -> Key:
    """Return what names the parent result (OBR-26), () for none: its code and OBX-4, else its words."""
    if not obr[26]:
        return ()
    code = obr.text(26, 1, 1) or obr.text(26, 1, 4) or obr.text(26, 1, 2).casefold()
    sub, words = obr.text(26, 2), obr.text(26, 3).casefold()
    return (f"of {code}", sub or words) if code or sub or words else ()


def name_of(obx: Segment, parent: Key) -> Key:
    """Return what names a result within its order; ``parent`` names the parent result of its OBR."""
    return (code_of(obx), obx.whole(4).strip(), *parent)


def is_loose(result: Result) -> bool:
    """Whether only its place in the message says what a result was found in."""
    if result.tie is None or result.tie.head is None:
        return False
    return not result.name[1] and len(result.name) == 2


class Names:
    """The names of the results of one order, over all its messages.

    Tests that share a code and contradict each other in the rest of OBX-3 are told apart where one message sends both,
    or where both are settled and neither is marked as a change; a correction may be worded anew.
    """

    def __init__(self, messages: Iterable[list[tuple[str, Result]]]):
        self.shared: set[Key] = set()
        self.split: dict[Key, set[Whole]] = {}
        plain: dict[Key, set[Whole]] = defaultdict(set)
        for message in messages:
            services: dict[Key, str] = {}
            wholes: dict[Key, set[Whole]] = defaultdict(set)
            for service, result in message:
                name, whole = result.name, whole_of(result.obx)
                if services.setdefault(name, service) != service:
                    self.shared.add(name)
                wholes[name].add(whole)
                if result.status not in FIRST | CHANGES:
                    plain[name].add(whole)
            self._tell_apart(wholes)
        self._tell_apart(plain)

    def _tell_apart(self, wholes: dict[Key, set[Whole]]) -> None:
        for name, said in wholes.items():
            if len(said) > 1 and any(is_other(left, right) for left, right in itertools.combinations(said, 2)):
                self.split.setdefault(name, set()).update(said)

    def key(self, service: str, result: Result) -> Key:
        """Return the key of a result: its name, with the service or the rest of OBX-3 where the name alone is not
        enough."""
        name = result.name
        key = (*name, service) if name in self.shared else name
        if name not in self.split:
            return key
        whole = whole_of(result.obx)
        alike = sorted(said for said in self.split[name] if not is_other(said, whole))
        chosen = whole if whole in self.split[name] or len(alike) != 1 else alike[0]
        return (*key, "^".join(chosen))


class Slots:
    """The results in force of one order: by key, and which keys each name has."""

    def __init__(self) -> None:
        self.results: dict[Key, Result] = {}
        self.names: dict[Key, list[Key]] = {}

    def place(self, sources: list[tuple[str, Result]], names: Names, zone: str) -> list[tuple[str, Key, Result]]:
        """Return (service, key, result) for the (service, result) of one message: the key of the observation that each
        is of. A withdrawal may be of several.

        What depends on another result by its place comes after it, and is named by that result's key: an organism that
        is renamed keeps its susceptibilities.
        """
        placed: list[tuple[str, Key, Result]] = []
        own: set[Key] = set()
        loose = [source for source in sources if is_loose(source[1])]
        named: dict[Key, list[tuple[str, Result]]] = defaultdict(list)
        for service, result in sources:
            if not loose or not is_loose(result):
                named[names.key(service, result)].append((service, result))
        placed += self._place_named(named, own, zone)
        if loose:
            heads = {id(result.obx): key for _, key, result in placed}
            named = defaultdict(list)
            for service, result in loose:
                tied = at_place(result, heads)
                suffix = ("in", *tied.tie.source) if tied.tie else ()
                named[(*names.key(service, result), *suffix)].append((service, tied))
            placed += self._place_named(named, own, zone)
        return placed

    def _place_named(
        self, named: dict[Key, list[tuple[str, Result]]], own: set[Key], zone: str
    ) -> list[tuple[str, Key, Result]]:
        """Return (service, key, result) by name: first what matches a result held under its own name, so that none of
        another name takes it; then the rest."""
        matched: dict[Key, dict[int, Key]] = {}
        for name, sources in named.items():
            if name in self.names:
                free = {key: self.results[key] for key in self.names[name] if key not in own}
                matched[name] = match(free, [result for _, result in sources])
                own.update(matched[name].values())
        placed: list[tuple[str, Key, Result]] = []
        for name, sources in named.items():
            of_name = matched.get(name, {})
            for number, (service, result) in enumerate(sources):
                meant = [of_name[number]] if number in of_name else self._meant(name, result, own)
                keys = meant or [self._open(name, result, zone)]
                if result.status != "entered-in-error" or not meant:
                    own.update(keys)
                placed += [(service, key, result) for key in keys]
        return placed

    def _open(self, name: Key, result: Result, zone: str) -> Key:
        """Return a new key of a name: the name itself, then with the time of the observation, or a number."""
        keys = self.names.setdefault(name, [])
        key = name
        if keys:
            time = times.rank(time_of(result), zone)
            key = (*name, f"@{time}")
            if not time or key in keys:
                key = (*name, f"#{len(keys) + 1}")
        keys.append(key)
        return key

    def _meant(self, name: Key, change: Result, taken: set[Key]) -> list[Key]:
        """Return what a change means that no time or number matches: of its own name what a withdrawal may be of; else
        what has its code, where one of the two says less of OBX-4 or the parent. A correction is of one alone."""
        is_withdrawal = change.status == "entered-in-error"
        if not is_withdrawal and not is_change(change):
            return []
        keys = [key for key in self.names.get(name, ()) if key not in taken]
        if not keys or not is_withdrawal:
            others = [other for other in self.names if other != name and is_less(name, other)]
            keys = [key for other in others for key in self.names[other] if key not in taken]
            keys = [key for key in keys if not is_other(whole_of(self.results[key].obx), whole_of(change.obx))]
        same = [key for key in keys if self.results[key].sent == change.sent]
        if is_withdrawal:
            return same or keys
        standing = [key for key in keys if self.results[key].status not in WITHDRAWN]
        return standing if len(standing) == 1 else []


def at_place(result: Result, heads: dict[int, Key]) -> Result:
    """Return a loose result with the key of what it was found in."""
    tie = result.tie
    return result if tie is None else replace(result, tie=replace(tie, source=heads.get(id(tie.head), ())))


def is_change(result: Result) -> bool:
    """Whether a result is marked as a change: by itself (OBX-11), or by its order (OBR-25)."""
    return result.status in CHANGES or result.corrects


def is_less(left: Key, right: Key) -> bool:
    """Whether two names of one code differ only in that one of them leaves OBX-4 or the parent unsaid."""
    is_sub = not left[1] or not right[1] or left[1] == right[1]
    return left[0] == right[0] and is_sub and (len(left) == 2 or len(right) == 2 or left[2:] == right[2:])


def time_of(result: Result) -> str:
    """Return the time of the observation as it was sent, though it cannot be: OBX-14, else OBR-7."""
    return result.time_sent


def is_apart(left: Result, right: Result) -> bool:
    """Whether two results were observed at different times: by OBX-14 where both have it, else by OBR-7."""
    ours, theirs = times.sent(left.obx, 14), times.sent(right.obx, 14)
    if not ours or not theirs:
        ours, theirs = times.sent(left.obr, 7), times.sent(right.obr, 7)
    if not ours or not theirs or ours == theirs:
        return False
    first, second = _moment(ours, theirs)
    return first != second


def _moment(left: str, right: str) -> tuple[str, str]:
    """Return two times to compare, in the precision that both have; an offset counts."""
    (first, ours, _), (second, theirs, _) = times.moment(left, ZONE), times.moment(right, ZONE)
    digits = min(ours, theirs)
    return first.strftime("%Y%m%d%H%M%S")[:digits], second.strftime("%Y%m%d%H%M%S")[:digits]


def match(free: dict[Key, Result], sent: list[Result]) -> dict[int, Key]:
    """Return which held result each of the sent ones is of, by its place in ``sent``; those of a new observation are
    left out. ``free`` is used up.

    First those of the same time; then changes, which are of the nearest; then what replaces a preliminary.
    """
    taken: dict[int, Key] = {}
    if not free:
        return taken
    _match_time(free, sent, taken)
    for number, result in enumerate(sent):
        if number in taken or not free:
            continue
        candidates = [key for key in free if _may_replace(free[key], result)]
        if result.status == "entered-in-error" and len(candidates) > 1 and not times.sent(result.obx, 14):
            continue
        if candidates:
            taken[number] = nearest = min(candidates, key=lambda key: (_distance(free[key], result), key))  # noqa: B023
            del free[nearest]
    return taken


def _match_time(free: dict[Key, Result], sent: list[Result], taken: dict[int, Key]) -> None:
    """Match results of one time: one by one where as many are sent as are held, else by value, because nobody can say
    which of them another value is of."""
    seen: set[int] = set()
    for number, result in enumerate(sent):
        if number in seen or not free:
            continue
        here = [key for key in free if not is_apart(free[key], result)]
        peers = [other for other in range(len(sent)) if other not in seen and not is_apart(sent[other], result)]
        seen.update(peers)
        pairs = _one_by_one(free, sent, here, peers)
        for peer, key in pairs if pairs is not None else _by_value(free, sent, here, peers):
            taken[peer] = key
            del free[key]


def _one_by_one(
    free: dict[Key, Result], sent: list[Result], here: list[Key], peers: list[int]
) -> list[tuple[int, Key]] | None:
    """Return the pairs where the numbers agree: of all, or of those that are not withdrawn, or of the settled ones."""
    if gone := _withdrawn(free, sent, here, peers):
        others = (
            [peer for peer in peers if peer not in dict(gone)],
            [key for key in here if key not in dict(gone).values()],
        )
        rest = _one_by_one(free, sent, others[1], others[0]) if all(others) else []
        return None if rest is None else gone + rest
    for left_out in (set[str](), {"entered-in-error"}, {"entered-in-error", *UNSETTLED}):
        ours = [peer for peer in peers if sent[peer].status not in left_out]
        theirs = [key for key in here if free[key].status not in left_out]
        if ours and len(ours) == len(theirs):
            return paired(free, sent, ours, theirs)
        if len(peers) == len(theirs):
            return paired(free, sent, peers, theirs)
    return None


def _withdrawn(free: dict[Key, Result], sent: list[Result], here: list[Key], peers: list[int]) -> list[tuple[int, Key]]:
    """Return the pairs of a withdrawal and the one held value that it names, where other results come beside it."""
    gone: list[tuple[int, Key]] = []
    for peer in peers if len(peers) != len(here) else ():
        alike = [key for key in here if free[key].sent == sent[peer].sent and free[key].status != "entered-in-error"]
        if sent[peer].status == "entered-in-error" and len(alike) == 1 and alike[0] not in dict(gone).values():
            gone.append((peer, alike[0]))
    return gone


def paired(free: dict[Key, Result], sent: list[Result], ours: list[int], theirs: list[Key]) -> list[tuple[int, Key]]:
    """Return as many sent as held results in pairs: equal values at one place, then equal values, what is not marked as
    a change before what is, then the rest in order."""
    pairs = [(peer, key) for peer, key in zip(ours, theirs) if sent[peer].sent == free[key].sent]
    taken, used = {peer for peer, _ in pairs}, {key for _, key in pairs}
    for peer in sorted((place for place in ours if place not in taken), key=lambda place: is_change(sent[place])):
        same = next((key for key in theirs if key not in used and free[key].sent == sent[peer].sent), None)
        if same is not None:
            pairs.append((peer, same))
            taken.add(peer)
            used.add(same)
    left = [peer for peer in ours if peer not in taken]
    return pairs + list(zip(left, (key for key in theirs if key not in used)))


def _by_value(free: dict[Key, Result], sent: list[Result], here: list[Key], peers: list[int]) -> list[tuple[int, Key]]:
    pairs: list[tuple[int, Key]] = []
    left = list(here)
    for peer in peers:
        same = next((key for key in left if free[key].sent == sent[peer].sent), None)
        if same is None and sent[peer].status in CHANGES:
            coded = [key for key in left if is_one_code(free[key].obx, sent[peer].obx)]
            same = coded[0] if len(coded) == 1 else None
        elif same is None and sent[peer].status not in CHANGES:
            same = next((key for key in left if free[key].status in UNSETTLED), None)
        if same is not None:
            left.remove(same)
            pairs.append((peer, same))
    return pairs


def is_one_code(held: Segment, new: Segment) -> bool:
    """Whether two coded values have one code: an organism whose words are refined."""
    is_coded = held.text(2).upper() in codes.CODED and new.text(2).upper() in codes.CODED
    return is_coded and bool(held.text(5)) and (held.text(5), held.text(5, 3)) == (new.text(5), new.text(5, 3))


def _may_replace(held: Result, new: Result) -> bool:
    """Whether a result may be of a held one of another time: a change is (said of it or of its order), what follows a
    preliminary, and a preliminary of the same value that was issued late."""
    if not is_apart(held, new):
        return False
    if is_change(new) or held.status in FIRST or (new.obx.text(11) == "U" and not new.obx[5]):
        return True
    is_late = new.status in FIRST and times.rank(time_of(new), ZONE) < times.rank(time_of(held), ZONE)
    return is_late and new.sent == held.sent


def _distance(held: Result, new: Result) -> float:
    ours, theirs = time_of(held), time_of(new)
    if not ours or not theirs:
        return 0.0
    return abs((times.moment(ours, ZONE)[0] - times.moment(theirs, ZONE)[0]).total_seconds())
