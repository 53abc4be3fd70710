"""Attack figures: how many people of a release are alone with what somebody could know of them.

``python -m tests.export.attack [PEOPLE]`` loads synthetic people and prints the share that is unique (k = 1) by birth
year, sex, district, ethnicity and date of death, of the living and of the dead, as an SDE and as an export has them.
"""

import datetime
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from gateway import config
from gateway.composition import create_gateway
from gateway.export import approval, asking, national_list, running
from gateway.intake import load
from gateway.synth import world
from mappings import Feed, sources
from tests.export.conftest import ROOT, document

TODAY = datetime.date(2026, 11, 20)
ETHNIC = "Extension-UKCore-EthnicCategory"


def persons(folder: Path) -> list[dict[str, str]]:
    """What a release tells of each person, of all their Patients together."""
    told: dict[str, dict[str, str]] = {}
    for path in sorted(folder.glob("Patient.*.ndjson")):
        for line in path.read_text().splitlines():
            patient = json.loads(line)
            about = told.setdefault(patient["identifier"][0]["value"], {})
            facts = {
                "born": patient.get("birthDate", ""), "sex": patient.get("gender", ""), "died": patient.get("deceasedDateTime", ""),
                "district": "".join(address["postalCode"] for address in patient.get("address", ())),
                "ethnicity": "".join(
                    extension["valueCodeableConcept"]["coding"][0]["code"]
                    for extension in patient.get("extension", ())
                    if extension["url"].endswith(ETHNIC)
                ),
            }  # fmt: skip
            about.update({name: value for name, value in facts.items() if value})
    return list(told.values())


def unique(people: list[dict[str, str]], *names: str) -> float:
    """The share of people who are alone with these facts."""
    counts = Counter(tuple(person.get(name, "") for name in names) for person in people)
    return sum(count == 1 for count in counts.values()) / len(people) if people else 0.0


def main(size: int) -> None:
    folder = Path(tempfile.mkdtemp())
    made = world.write(folder / "world", size, 1, TODAY)
    with create_gateway(config.Settings(data_dir=folder / "data"), "sandbox") as gateway:
        for name in ("emis", "hl7v2", "cld"):
            load.load(gateway.store, sources()[name], made.path(name), Feed(), gateway.code_sets(), workers=0)
        national_list.load(gateway.store, made.path("optout"))
        for setting in ("in-sde", "export"):
            approval.add(
                gateway.store, document(setting, setting=setting, export_basis="agreed", end="2099-12-31"), "asker"
            )
            for by in ("guardian", "controller"):
                approval.approve(gateway.store, setting, by)
            job = asking.start(gateway.store, setting, "operator", optout_days=7, root=ROOT)
            running.run(gateway.store, job, folder / setting, ROOT, workers=1)
            people = persons(folder / setting)
            dead = [person for person in people if person.get("died")]
            for group, members in (("all", people), ("living", [p for p in people if p not in dead]), ("dead", dead)):
                figures = {
                    " + ".join(names): f"{unique(members, *names):.0%}"
                    for names in (("born", "sex"), ("born", "sex", "district"), ("born", "sex", "district", "ethnicity"),
                                  ("district", "ethnicity", "died"), ("born", "sex", "district", "ethnicity", "died"))
                }  # fmt: skip
                print(setting, group, len(members), json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
