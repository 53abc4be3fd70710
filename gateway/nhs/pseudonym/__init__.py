"""What leaves for secondary use: the table of what may, and whole people cut down to it under one project's key."""

from gateway.nhs.pseudonym.life import Stages, stages
from gateway.nhs.pseudonym.people import Pseudonymiser
from gateway.nhs.pseudonym.project_keys import (
    ROOT_BYTES,
    base32,
    fingerprint,
    order_key,
    place,
    project_key,
    pseudonym_of,
)
from gateway.nhs.pseudonym.subject import PERSON_SYSTEM, Subject

__all__ = [
    "PERSON_SYSTEM", "ROOT_BYTES", "Pseudonymiser", "Stages", "Subject", "base32", "fingerprint", "order_key", "place",
    "project_key", "pseudonym_of", "stages",
]  # fmt: skip
