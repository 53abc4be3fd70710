"""The hospital's letters: HL7 v2 documents (MDM^T02), the text line by line, in files of their own.

They are apart from the feed so that it can be loaded where letters are not read.
"""

from __future__ import annotations

from datetime import timedelta

from gateway.synth import hl7v2
from gateway.synth.outputs import Files
from gateway.synth.truth import Letter, Person


class Letters:
    """The files of letters in the making: one for each hundred people, by their numbers, in order of time."""

    def __init__(self, files: Files, inside: str = "letters/"):
        self._files, self._inside = files, inside
        self._held: list[hl7v2.Message] = []
        self._block = 0
        self.written = 0

    def add(self, person: Person) -> None:
        """Take the letters about a person; none for one the hospital does not know."""
        block = (person.number - 1) // hl7v2.EACH + 1
        if block != self._block:
            self.end()
            self._block = block
        if person.hospital:
            self._held += [message(person, letter, place) for place, letter in enumerate(person.story.letters, 1)]

    def end(self) -> None:
        """Write what is held."""
        if self._held:
            self.written += len(self._held)
            text = "".join(letter.text for letter in sorted(self._held))
            self._files.file(f"{self._inside}letters-{self._block:05d}.hl7").write(text)
            self._held = []


def message(person: Person, letter: Letter, place: int) -> hl7v2.Message:
    """Return the message that brings one letter, sent minutes after it was signed."""
    sent = letter.at + timedelta(minutes=7)
    control = f"{person.number:07d}L{place:03d}"
    author = hl7v2.clinician(person.trust.staff[1], "GMC")
    document = f"{person.seen('hospital').number}L{place:02d}^{person.trust.ods}"
    what = f"LETTER^{hl7v2.escape(letter.kind)}^{person.trust.ods}LET"
    lines = [
        f"OBX|{line}|TX|{what}||{hl7v2.escape(person.free(text))}||||||F" for line, text in enumerate(letter.lines, 1)
    ]
    segments = [
        f"MSH|^~\\&|LETTERS|{person.trust.ods}|TIE|{hl7v2.REGION}|{hl7v2.stamp(sent)}||MDM^T02^MDM_T02|{control}"
        "|T|2.4|||||GBR|UNICODE|EN",
        f"EVN|T02|{hl7v2.stamp(sent)}",
        hl7v2.pid(person, letter.at),
        "PV1|1|N",
        hl7v2.segment(
            "TXA",
            {1: "1", 2: f"DS^{hl7v2.escape(letter.kind)}", 3: "TX", 4: hl7v2.stamp(letter.at), 9: author,
             12: document, 17: "AU", 19: "AV"},
        ),
        *lines,
    ]  # fmt: skip
    return hl7v2.Message(sent, person.number, place, "\r".join(segments) + "\r")
