"""``python -m tests.identity WORLD [FAKE_1000]``: the table of linkage for a world of ``gateway synth``, and for
Splink's labelled records.
"""

import sys
import tempfile
from pathlib import Path

from gateway.identity import proposing
from gateway.intake import load
from gateway.store.database import open_store
from gateway.terminology import sets
from mappings import Feed, sources
from tests.identity import linkage

SOURCES = ("emis", "tpp", "hl7v2", "cld")


def main(folder: Path, fake_1000: Path | None = None) -> None:
    with tempfile.TemporaryDirectory() as place:
        store = open_store(f"sqlite:///{place}/gateway.db", create="sandbox")
        for name in SOURCES:
            delivery = folder / name
            if delivery.is_dir():
                newest = max(path for path in delivery.iterdir() if path.is_dir()) if name == "emis" else delivery
                load.load(store, sources()[name], newest, Feed(), sets.load(sandbox=True))
        loaded = linkage.world(store, folder / "truth" / "people.ndjson")
        store.close()
    proposed = {(pair.first, pair.other) for pair in proposing.compared(loaded.evidence)}
    print("| Pairs of records | pairs | precision | recall |\n|---|---|---|---|")
    for name, pairs in (("gathered", loaded.gathered), ("proposed", proposed), ("either", loaded.gathered | proposed)):
        print(linkage.score(pairs, loaded.truth).line(name))
        for kind, scored in linkage.by_mess(pairs, loaded.truth, loaded.mess).items():
            print(f"| {name}, {kind} | {scored.true:,} | | {scored.recall:.3f} |")
    if fake_1000:
        for number in linkage.NUMBERS:
            evidence, truth = linkage.fake_1000(fake_1000, number)
            print(linkage.score(linkage.gathered(evidence), truth).line(f"fake_1000 gathered, numbers: {number}"))
        pairs = {(pair.first, pair.other) for pair in proposing.compared(linkage.fake_1000(fake_1000)[0])}
        print(linkage.score(pairs, truth).line("fake_1000 proposed"))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
