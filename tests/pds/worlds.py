"""The people of a synthetic world as PDS holds them: from its traces where it wrote some, else from its answer key."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.pds.fake import Someone


def people_of(folder: Path) -> Iterator[Someone]:
    """Everyone of a world. The answer key has no postcodes, so without traces nobody is found by demographics."""
    traces = folder / "pds" / "traces.ndjson"
    if traces.is_file():
        for line in traces.read_text(encoding="utf-8").splitlines():
            trace = json.loads(line)
            yield from _traced(trace["asked"], trace["answer"])
        return
    for line in (folder / "truth" / "people.ndjson").read_text(encoding="utf-8").splitlines():
        key = json.loads(line)
        death = {"death": key["death"], "died": "2"} if key["death"] else {}
        yield Someone(key["nhs_number"], key["family"], key["given"], key["sex"], key["birth"], "", **death)


def _traced(asked: str, answer: dict[str, Any]) -> Iterator[Someone]:
    """The person of a trace, and where the number that was asked is another, that it is superseded."""
    name, places = answer["name"][0], answer.get("address", [{}])
    security = [coding["code"] for coding in answer.get("meta", {}).get("security", ())]
    death = {"death": answer["deceasedDateTime"], "died": "2"} if "deceasedDateTime" in answer else {}
    someone = Someone(
        answer["id"], name["family"], name["given"][0], answer["gender"], answer["birthDate"],
        places[0].get("postalCode", ""), security=next(iter(security), ""), **death,
    )  # fmt: skip
    yield someone
    if asked != someone.number:
        yield Someone(asked, replaced_by=someone.number)
