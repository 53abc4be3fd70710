"""The pages on which people sign in, select a role and look for a patient, and the bar that says who is signed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.web.templating import rendered


@dataclass(frozen=True, slots=True)
class Bar:
    """Who is signed in, as the head of each page says it. ``token`` is what its form sends back."""

    name: str
    title: str
    organisation: str
    token: str
    may_select: bool = False
    is_patient: bool = False


def sign_in_page(
    providers: Mapping[str, str], users: Mapping[str, str], token: str, to: str, why: str = "", *, is_sandbox: bool
) -> str:
    """The page as HTML: a button for each issuer (name → title), and in a sandbox the named users with their roles."""
    return rendered(
        "sign_in.html", providers=providers, users=users, token=token, to=to, why=why, is_sandbox=is_sandbox
    )


def role_page(name: str, roles: Sequence[Mapping[str, str]], selected: str, token: str, why: str = "") -> str:
    """The page as HTML: one of these roles (``id``, ``title``, ``organisation``) is to be selected."""
    return rendered("role.html", name=name, roles=roles, selected=selected, token=token, why=why)


def home_page(
    session: Bar,
    *,
    is_patient: bool,
    may_see_quality: bool,
    is_sandbox: bool,
    may_see_alerts: bool = False,
    why: str = "",
) -> str:
    """The page as HTML after sign-in: find a patient."""
    return rendered(
        "home.html", session=session, is_patient=is_patient, may_see_quality=may_see_quality, is_sandbox=is_sandbox,
        may_see_alerts=may_see_alerts, why=why,
    )  # fmt: skip


def found_page(session: Bar, details: Mapping[str, str], id_: str) -> str:
    """The page as HTML of the one patient that was found, by what identifies them (title → words). Its way
    to the record is the Patient's id: a number may be claimed by another person."""
    return rendered("found.html", session=session, details=details, id=id_)


def problem_page(why: str) -> str:
    """The page as HTML that says why there is no other."""
    return rendered("problem.html", why=why)
