"""Invented practices, hospital, council, streets and names. Nothing here is anywhere.

Postcodes have a valid form in an area that does not exist: ZA, a letter pair the format allows and Royal Mail does not
use. ZZ99 means something in NHS data (no fixed abode, which a homeless person here has; other countries), and XX is not
a form that every checker takes. Telephone numbers come from Ofcom's ranges for drama, mail goes to example.com, and
registration numbers are all nines but the last digits.
"""

from __future__ import annotations

from random import Random
from typing import Literal

from gateway.synth.truth import Address, Council, Practice, Staff, Trust

TOWNS = ("Nether Quill", "Marlowbridge", "Saltwick", "Upper Tansel", "Corveham", "Haddlestow")
COUNTY = "Vellshire"
STREETS = (
    "Larch",
    "Tannery",
    "Foundry",
    "Lantern",
    "Orchard",
    "Weir",
    "Chapel",
    "Mill",
    "Gorse",
    "Harbour",
    "Priory",
    "Station",
)
STREET_KINDS = ("Road", "Street", "Lane", "Close", "Avenue", "Row")
INWARD = "ABDEFGHJLNPQRSTUWXYZ"

FAMILY_STARTS = (
    "Ash",
    "Bram",
    "Cald",
    "Dun",
    "Elm",
    "Farn",
    "Gil",
    "Hask",
    "Ing",
    "Kel",
    "Lang",
    "Mel",
    "Nor",
    "Ot",
    "Pen",
    "Quar",
    "Rud",
    "Sted",
)
FAMILY_ENDS = (
    "wick",
    "combe",
    "ley",
    "thorpe",
    "mere",
    "stow",
    "ridge",
    "holt",
    "bourne",
    "garth",
    "brook",
    "shaw",
    "field",
    "worth",
)
FAMILIES = {
    "white": tuple(start + end for start in FAMILY_STARTS for end in FAMILY_ENDS)
    + ("O'Dell", "D'Arcy-Holt", "Smythe-Penn"),
    "asian": (
        "Ahmadi",
        "Bhattarai",
        "Chaudhuri",
        "Desai",
        "Iqbali",
        "Kaurani",
        "Malikzai",
        "Patelwala",
        "Rahmani",
        "Siddiq",
    ),
    "black": ("Adeyomi", "Boatengu", "Campbelle", "Danso", "Okaforu", "Owusuwa", "Thompsett", "Mensahn"),
    "other": ("Chenley", "Haddadi", "Limwen", "Nowakova", "Silvane", "Tranh", "Wongson", "Zielinska"),
}
GIVEN = {
    ("white", "F", 0): ("Margaret", "Dorothy", "Jean", "Patricia", "Sheila", "Joan", "Maureen", "Barbara"),
    ("white", "F", 1): ("Susan", "Karen", "Deborah", "Julie", "Alison", "Nicola", "Tracey", "Helen"),
    ("white", "F", 2): ("Chloe", "Emily", "Megan", "Sophie", "Zoë", "Olivia", "Amelia", "Isla"),
    ("white", "M", 0): ("John", "Ronald", "Kenneth", "Derek", "Peter", "Raymond", "Dennis", "Alan"),
    ("white", "M", 1): ("Paul", "Andrew", "Stephen", "Ian", "Mark", "Gary", "Neil", "Simon"),
    ("white", "M", 2): ("Jack", "Thomas", "Daniel", "Oliver", "Harry", "Noah", "Callum", "Siôn"),
    ("asian", "F", 0): ("Amina", "Meera", "Nasreen", "Priya", "Shazia", "Sunita", "Zainab"),
    ("asian", "M", 0): ("Arjun", "Faisal", "Imran", "Rajesh", "Sanjay", "Tariq", "Vikram"),
    ("black", "F", 0): ("Abena", "Blessing", "Efua", "Grace", "Marcia", "Ngozi", "Yvonne"),
    ("black", "M", 0): ("Chidi", "Clive", "Emeka", "Kofi", "Kwame", "Leroy", "Tunde"),
    ("other", "F", 0): ("Anna", "Leila", "Mei", "Rana", "Sofia", "Thuy"),
    ("other", "M", 0): ("Adam", "Carlos", "Jun", "Karim", "Piotr", "Wei"),
}
ETHNICITIES = (
    ("A", "white", 70),
    ("B", "white", 2),
    ("C", "white", 6),
    ("D", "black", 1),
    ("H", "asian", 4),
    ("J", "asian", 4),
    ("K", "asian", 2),
    ("M", "black", 2),
    ("N", "black", 4),
    ("R", "other", 1),
    ("S", "other", 2),
    ("Z", "white", 2),
)
"""NHS ethnic category, the list of names it draws on, and its weight."""

_GP = ("General Medical Practitioner", "R0260")
_NURSE = ("Practice Nurse", "R0610")

_PRACTICE_NAMES = ("Quillbank Surgery", "Tansel Health Centre", "Saltwick Medical Practice", "Corveham Road Surgery")
_GP_STAFF = (
    ("Dr", "Imogen", "Quillfeather"),
    ("Dr", "Rohan", "Vantapriya"),
    ("Dr", "Tobias", "Ambrosewick"),
    ("Dr", "Leonie", "Marchbrook"),
)
_NURSE_STAFF = (
    ("Mrs", "Harriet", "Pellowdown"),
    ("Ms", "Blessing", "Oyinlade"),
    ("Mr", "Gareth", "Llanwyrth"),
    ("Miss", "Petra", "Novakley"),
)

_CONSULTANTS = (("Mr", "Cassius", "Thornquist"), ("Dr", "Beatrix", "Halloumier"))
TRUST = Trust(
    "RZZ",
    "RZZ01",
    "Vellshire Hospitals NHS Foundation Trust",
    tuple(Staff(*name, "Consultant", "R0050", f"C99999{10 + number}") for number, name in enumerate(_CONSULTANTS)),
)
COUNCIL = Council("990", "Vellshire County Council")
COUNCILS = (COUNCIL, Council("991", "Borough of Marlowbridge"))


NO_ABODE = Address("", "No fixed abode", "", "", "ZZ99 3VZ")
"""Where somebody without a home lives, with the postcode that NHS systems use for it."""


def practices(count: int, tpp: int = 0) -> tuple[Practice, ...]:
    """Return the first ``count`` practices (1–99), each with a doctor and a nurse; A99001 is the first. The last
    ``tpp`` of them use SystmOne, the others EMIS."""
    surgeries = []
    for number in range(count):
        turn = number % len(_PRACTICE_NAMES)
        name = (
            _PRACTICE_NAMES[turn] if number < len(_PRACTICE_NAMES) else f"{TOWNS[number % len(TOWNS)]} Surgery {number}"
        )
        place = Address("", f"{10 + number} Chapel Lane", TOWNS[number % len(TOWNS)], COUNTY, f"ZA{1 + number % 9} 9ZZ")
        doctor = Staff(*_GP_STAFF[turn], *_GP, f"G99999{number:02d}")
        nurse = Staff(*_NURSE_STAFF[turn], *_NURSE, f"99Z00{number:02d}E")
        system: Literal["emis", "tpp"] = "tpp" if number >= count - tpp else "emis"
        surgeries.append(Practice(f"A99{number + 1:03d}", name, place, (doctor, nurse), system))
    return tuple(surgeries)


def staff_names() -> tuple[str, ...]:
    """Return the family names of all who work here: they are people too, and must not leave in an export."""
    return tuple(family for _, _, family in (*_GP_STAFF, *_NURSE_STAFF, *_CONSULTANTS))


def postcode(draw: Random) -> str:
    """Return a postcode with the space; its outward part is one of nine."""
    return f"ZA{draw.randint(1, 9)} {draw.randint(1, 8)}{draw.choice(INWARD)}{draw.choice(INWARD)}"
