"""A network that cuts, splits, delays and swallows: after every message was sent until it was acknowledged, each is
kept once, and the newest of each patient is shown."""

import asyncio
import random
from contextlib import suppress

import pytest

from tests.bench import senders
from tests.intake.listening import listening

SENDERS, MESSAGES = 5, 12


class Network:
    """A proxy whose connections fail by chance, until ``calm``."""

    def __init__(self, port: int, seed: int):
        self.port, self.chance, self.faults, self.open = port, random.Random(seed), 0, 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            await self._joined(reader, writer)
        finally:
            self.open -= 1

    async def ended(self) -> None:
        while self.open:
            await asyncio.sleep(0.01)

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gateway_reader, gateway_writer = await asyncio.open_connection("127.0.0.1", self.port)
        ways = [
            asyncio.create_task(self._pass_on(reader, gateway_writer)),
            asyncio.create_task(self._pass_on(gateway_reader, writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
        for end in (writer, gateway_writer):
            if self.chance.random() < 0.5:
                end.transport.abort()
            end.close()
            with suppress(OSError):
                await end.wait_closed()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on in pieces. One time in twelve, only some of them, and no more."""
        with suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(4096):
                is_cut = self.chance.random() < 1 / 12
                self.faults += is_cut
                data = data[: self.chance.randrange(len(data))] if is_cut else data
                while data:
                    size = self.chance.choice([1, 7, 64, 4096])
                    writer.write(data[:size])
                    data = data[size:]
                    if self.chance.random() < 0.05:
                        await asyncio.sleep(0.005)
                await writer.drain()
                if is_cut:
                    return


@pytest.mark.hazard("HZ-FEED-02")
@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 11))])
def test_a_broken_network_loses_nothing_and_repeats_nothing(new_store, tmp_path, seed):
    async def send(port: int) -> tuple[senders.Sent, int]:
        network = Network(port, seed)
        async with await asyncio.start_server(network.connected, "127.0.0.1", 0) as server:
            sent = await senders.send(server.sockets[0].getsockname()[1], SENDERS, MESSAGES)
            await network.ended()
            return sent, network.faults

    with listening(new_store(), tmp_path / "inbox.db") as listened:
        sent, faults = asyncio.run(send(listened.port))
        listened.mapped()
        assert faults and sent.again and set(sent.acknowledged.values()) == {"AA"}
        assert len(sent.acknowledged) == SENDERS * MESSAGES == listened.rows()
        with listened.store.read() as session:
            bodies = session.rows("SELECT v.body FROM head h JOIN version v ON v.key = h.body WHERE h.deleted = 0")
    newest = sorted(int(bytes(body).partition(b"0113496")[2][:4]) for (body,) in bodies)
    assert newest == [MESSAGES - 1] * SENDERS
