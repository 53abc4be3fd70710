"""``gateway listen`` as a process: how it ends, and that killing it loses nothing and does nothing twice."""

import asyncio
import signal

import pytest

from tests.bench import senders


@pytest.mark.hazard("HZ-FEED-06")
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_ends_it_with_0_once_what_it_has_is_acknowledged(tmp_path, number):
    with senders.listening(tmp_path / "data") as listener:
        listener.start()
        sent = asyncio.run(senders.send(listener.port, 2, 3))
        assert set(sent.acknowledged.values()) == {"AA"}
        assert listener.end(number) == 0
        listener.start()
        listener.wait_until_mapped()
        assert listener.end() == 0
        assert listener.kept() == dict.fromkeys(sent.acknowledged, 1)


@pytest.mark.slow
@pytest.mark.hazard("HZ-FEED-06")
def test_killing_it_under_load_loses_nothing_and_repeats_nothing(tmp_path):
    with senders.listening(tmp_path / "data") as listener:
        listener.start()
        sent, kills, _ = asyncio.run(senders.kill_under(listener, 5, 8, 120, 0.3, 1.0))
        listener.wait_until_mapped()
        assert kills and len(sent.acknowledged) == 960 and set(sent.acknowledged.values()) == {"AA"}
        assert listener.kept() == dict.fromkeys(sent.acknowledged, 1)
        assert [listener.last_of(number) for number in range(8)] == [119] * 8
        assert listener.end() == 0
