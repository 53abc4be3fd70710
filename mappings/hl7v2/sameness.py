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

from mappings.hl7v2 import times
from mappings.hl7v2.message import Encoding, Segment
from mappings.hl7v2.observation import CHANGES, FIRST, UNSETTLED, Result

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


def is_other(one: Whole, right: Whole) -> bool:
    """Whether two OBX-3 contradict each other in a component that both fill."""
    return any(a and b and a != b for a, b in zip(one, right))


def parent_of(obr: Segment) -> Key:
    """Return what names the parent result (OBR-26), () for none: its code and OBX-4, else its words."""
    if not obr[26]:
        return ()
    code = obr.text(26, 1, 1) or obr.text(26, 1, 4) or obr.text(26, 1, 2).casefold()
    sub, words = obr.text(26, 2), obr.text(26, 3).casefold()
    return (f"of {code}", sub or words) if code or sub or words else ()


def name_of(result: Result) -> Key:
    """Return what names a result within its order."""
    name = (code_of(result.obx), result.obx.whole(4).strip(), *parent_of(result.obr))
    is_loose = result.tie is not None and not name[1] and len(name) == 2
    return (*name, f"of {result.tie.words.casefold()}") if is_loose and result.tie else name


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
                name, whole = name_of(result), whole_of(result.obx)
                if services.setdefault(name, service) != service:
                    self.shared.add(name)
                wholes[name].add(whole)
                if result.status not in FIRST | CHANGES:
                    plain[name].add(whole)
            self._tell_apart(wholes)
        self._tell_apart(plain)

    def _tell_apart(self, wholes: dict[Key, set[Whole]]) -> None:
        for name, said in wholes.items():
            if len(said) > 1 and any(is_other(one, right) for one, right in itertools.combinations(said, 2)):
                self.split.setdefault(name, set()).update(said)

    def key(self, service: str, result: Result) -> Key:
        """Return the key of a result: its name, with the service or the rest of OBX-3 where the name alone is not
        enough."""
        name = name_of(result)
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

    def place(self, name: Key, sent: list[Result], zone: str) -> list[tuple[Key, Result]]:
        """Return (key, result) for what one message sends under a name: the key of the observation that each is of. A
        withdrawal may be of several."""
        free = {key: self.results[key] for key in self.names.get(name, ())}
        taken = match(free, sent)
        placed: list[tuple[Key, Result]] = []
        own: set[Key] = set(taken.values())
        for number, result in enumerate(sent):
            if number in taken:
                placed.append((taken[number], result))
            elif result.status == "entered-in-error" and (meant := self._meant(name, result, own)):
                placed += [(key, result) for key in meant]
            else:
                placed.append((self._open(name, result, zone), result))
                own.add(placed[-1][0])
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

    def _meant(self, name: Key, withdrawn: Result, taken: set[Key]) -> list[Key]:
        """Return what a withdrawal means that no time or number matches: what has its value, else all of its name; else
        what has its code, where it says less of OBX-4 or the parent than was said before."""
        keys = [key for key in self.names.get(name, ()) if key not in taken]
        if not keys:
            code, sub = name[0], name[1]
            others = [
                other for other in self.names if other[0] == code and (not sub or not other[1] or other[1] == sub)
            ]
            others = [other for other in others if len(name) == 2 or len(other) == 2]
            keys = [key for other in others if other != name for key in self.names[other]]
            keys = [key for key in keys if not is_other(whole_of(self.results[key].obx), whole_of(withdrawn.obx))]
        same = [key for key in keys if self.results[key].sent == withdrawn.sent]
        return same or keys


def time_of(result: Result) -> str:
    """Return the time of the observation: OBX-14, else OBR-7."""
    return times.of(result.obx, 14) or times.of(result.obr, 7)


def is_apart(one: Result, right: Result) -> bool:
    """Whether two results were observed at different times: by OBX-14 where both have it, else by OBR-7."""
    ours, theirs = times.of(one.obx, 14), times.of(right.obx, 14)
    if not ours or not theirs:
        ours, theirs = times.of(one.obr, 7), times.of(right.obr, 7)
    if not ours or not theirs or ours == theirs:
        return False
    first, second = _moment(ours, theirs)
    return first != second


def _moment(one: str, right: str) -> tuple[str, str]:
    """Return two times to compare, in the precision that both have; an offset counts."""
    (first, ours, _), (second, theirs, _) = times.moment(one, ZONE), times.moment(right, ZONE)
    digits = min(ours, theirs)
    return first.strftime("%Y%m%d%H%M%S")[:digits], second.strftime("%Y%m%d%H%M%S")[:digits]


def match(free: dict[Key, Result], sent: list[Result]) -> dict[int, Key]:
    """Return which held result each of the sent ones is of, by its place in ``sent``; those of a new observation are
    left out. ``free`` is used up.

    First those of the same time; then changes, which are of the nearest; then what replaces a preliminary.
    """
    taken: dict[int, Key] = {}
    _match_time(free, sent, taken)
    for number, result in enumerate(sent):
        if number in taken or not free:
            continue
        candidates = [key for key in free if _may_replace(free[key], result)]
        if result.status == "entered-in-error" and len(candidates) > 1 and not times.of(result.obx, 14):
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
    for left_out in (set[str](), {"entered-in-error"}, {"entered-in-error", *UNSETTLED}):
        ours = [peer for peer in peers if sent[peer].status not in left_out]
        theirs = [key for key in here if free[key].status not in left_out]
        if ours and len(ours) == len(theirs):
            return list(zip(ours, theirs))
        if len(peers) == len(theirs):
            return list(zip(peers, theirs))
    return None


def _by_value(free: dict[Key, Result], sent: list[Result], here: list[Key], peers: list[int]) -> list[tuple[int, Key]]:
    pairs: list[tuple[int, Key]] = []
    left = list(here)
    for peer in peers:
        same = next((key for key in left if free[key].sent == sent[peer].sent), None)
        if same is None and sent[peer].status not in CHANGES:
            same = next((key for key in left if free[key].status in UNSETTLED), None)
        if same is not None:
            left.remove(same)
            pairs.append((peer, same))
    return pairs


def _may_replace(held: Result, new: Result) -> bool:
    """Whether a result may be of a held one of another time: a change is, and what follows a preliminary; a late
    preliminary is of the final after it."""
    if not is_apart(held, new):
        return False
    if new.status in CHANGES or held.status in FIRST or (new.obx.text(11) == "U" and not new.obx[5]):
        return True
    return new.status in FIRST and times.rank(time_of(new), ZONE) < times.rank(time_of(held), ZONE)


def _distance(held: Result, new: Result) -> float:
    one, right = time_of(held), time_of(new)
    if not one or not right:
        return 0.0
    return abs((times.moment(one, ZONE)[0] - times.moment(right, ZONE)[0]).total_seconds())
