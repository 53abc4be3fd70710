"""The privacy officer's pages: the queue of alerts, and one alert with what led to it. They hold no clinical data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.web.session_pages import Bar
from gateway.web.templating import rendered


def queue_page(session: Bar | None, alerts: Sequence[Mapping[str, Any]], state: str, states: Mapping[str, str],
               sample: Sequence[Any]) -> str:  # fmt: skip
    """The page as HTML: alerts as ``Alert.as_dict`` gives them, in a state of ``states`` (name → title), and a few
    ordinary views."""
    return rendered("alerts.html", session=session, alerts=alerts, state=state, states=states, sample=sample)


def alert_page(session: Bar | None, alert: Mapping[str, Any], deeds: Sequence[Any], moves: Mapping[str, str],
               states: Mapping[str, str], why: str = "") -> str:  # fmt: skip
    """The page as HTML: one alert, the events that it is about with their steps, its history, and the states (name →
    title) that it may come to."""
    return rendered("alert.html", session=session, alert=alert, deeds=deeds, moves=moves, states=states, why=why)
