"""``python -m tests.identity WORLD [FAKE_1000]``: the table of linkage for a world of ``gateway synth``.

Before and after its people are traced at a fake PDS, and for Splink's labelled records.
"""

import sys
import tempfile
from pathlib import Path

from gateway.egress import Origin
from gateway.identity import proposing, tracing
from gateway.identity.pds import Access, Pds
from gateway.intake import load
from gateway.store.database import Store, open_store
from gateway.terminology import sets
from mappings import Feed, sources
from tests.identity import linkage
from tests.pds.fake import BASE, Fake, served
from tests.pds.worlds import people_of


def main(folder: Path, fake_1000: Path | None = None) -> None:
    with tempfile.TemporaryDirectory() as place:
        store = open_store(f"sqlite:///{place}/gateway.db", create="sandbox")
        for name in ("emis", "tpp", "hl7v2", "cld"):
            for delivery in _deliveries(folder / name):
                load.load(store, sources()[name], delivery, Feed(), sets.load(sandbox=True))
        before = linkage.world(store, folder)
        outcomes = _trace(store, folder)
        after = linkage.world(store, folder)
        store.close()
    proposed = {(pair.first, pair.other) for pair in proposing.compared(before.evidence)}
    print(f"{len(before.truth):,} records; traced: {outcomes}")
    print("| Pairs of records | pairs | precision | recall |\n|---|---|---|---|")
    for name, pairs in (("gathered", before.gathered), ("gathered, traced", after.gathered), ("proposed", proposed)):
        print(linkage.score(pairs, before.truth).line(name))
        for kind, scored in linkage.by_mess(pairs, before.truth, before.mess).items():
            print(f"| {name}, {kind} | {scored.true:,} | | {scored.recall:.3f} |")
    if fake_1000:
        _labelled(fake_1000)


def _deliveries(folder: Path) -> list[Path]:
    """The deliveries in a source's folder, in the order of time."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir()) or [folder]


def _trace(store: Store, folder: Path) -> dict[str, int]:
    fake = Fake()
    fake.hold(people_of(folder))
    with served(fake), Origin(fake.url + BASE, per_second=1e6) as origin:
        pds = Pds(Access(fake.url + BASE), origin, None, store.clock)
        return tracing.run(store, pds, sets.load(sandbox=True), tracing.due(store), "measurement").outcomes


def _labelled(file: Path) -> None:
    for number in linkage.NUMBERS:
        evidence, truth = linkage.fake_1000(file, number)
        print(linkage.score(linkage.gathered(evidence), truth).line(f"fake_1000 gathered, numbers: {number}"))
    evidence, truth = linkage.fake_1000(file)
    pairs = {(pair.first, pair.other) for pair in proposing.compared(evidence)}
    print(linkage.score(pairs, truth).line("fake_1000 proposed"))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
