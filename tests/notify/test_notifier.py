"""What a subscriber is told, over a real connection to a real receiver, on both databases."""

import pytest
from standardwebhooks import Webhook

from tests.api.people import ANN, observation, on_the_ward, patient, uid
from tests.toy import row


def test_a_change_is_told_once_signed_and_by_its_id_alone(area):
    id_, secret = area.subscribe()
    area.deliver(row("new", observation(60, 1)))
    area.work()
    (came,) = area.receiver.taken()
    Webhook(secret).verify(came.body, came.headers)
    assert came.focus == [f"Observation/{uid(60)}"] and came.path == "/hook"
    assert came.headers["content-type"] == "application/fhir+json"
    assert came.status["events-since-subscription-start"] == "1" and came.status["type"] == "event-notification"
    assert b"27113001" not in came.body and ANN.encode() not in came.body
    assert area.told() == [], "it is told once"
    (event,) = [event for event in area.api.audit() if event["act"] == "notify"]
    assert event["resources"] == [f"Observation/{uid(60)}/1"] and event["user"] == "gp" and event["subscription"] == id_
    assert event["stream"] == "write" and uid(1) in event["patients"]
