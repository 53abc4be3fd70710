"""The page on which somebody who tries an app in a sandbox says who they are, and for which patient."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from gateway.web.templating import rendered

PASSED_ON = ("response_type", "client_id", "redirect_uri", "scope", "state", "aud", "code_challenge", "code_challenge_method", "launch", "nonce")  # fmt: skip
"""The parameters of the app that come back with the form."""


def authorize_page(
    app: str, form: Mapping[str, str], users: Mapping[str, str], needs_patient: bool, why: str = "",
    visits: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """The page as HTML, for an app of this id. ``form`` is what it asked, ``users`` the role of each named user (none
    where our page launched the app), ``why`` the reason why the last choice was refused, and ``visits`` those of which
    one may be chosen, after the patient."""
    chosen = () if visits is None else ("user", "number")
    kept = {name: form[name] for name in (*PASSED_ON, *chosen) if name in form}
    return rendered(
        "authorize.html", app=app, kept=kept, users=users, needs_patient=needs_patient, why=why, visits=visits
    )  # fmt: skip


def refused_page(app: str, why: str, place: str) -> str:
    """The page as HTML where what an app asked is not right, with a link back to the app: the user decides whether to
    follow it, because anybody can name any address."""
    host = urlsplit(place).netloc
    return rendered("authorize_refused.html", app=app, why=why, place=place, host=host)
