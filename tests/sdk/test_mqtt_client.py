"""One MQTT connection, beside a real broker."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from hotori.mqtt.packets import Connect, Puback, Publish
from hotori.sdk.endpoint import Endpoint
from hotori.sdk.mqtt_client import ConnectionLostError, ConnectRefusedError, MqttClient
from hotori.testing.broker import Broker
from hotori.testing.obedient_hub import ObedientHub


class Received:
    """What a client was sent. Acknowledges it too, unless told not to."""

    def __init__(self, acknowledges: bool = True) -> None:
        self.queue: asyncio.Queue[Publish] = asyncio.Queue()
        self._acknowledges = acknowledges

    def __call__(self, client: MqttClient, publish: Publish) -> None:
        self.queue.put_nowait(publish)
        if self._acknowledges:
            client.acknowledge(publish)

    async def next(self) -> Publish:
        return await asyncio.wait_for(self.queue.get(), 10)


async def client_of(
    endpoint: Endpoint, name: str, received: Received, *, clean: bool = True, keep_alive: int = 60
) -> MqttClient:
    hello = Connect(name, clean_session=clean, keep_alive=keep_alive)
    return await MqttClient.connect(endpoint.host, endpoint.port, None, hello, on_publish=received)


async def test_a_message_goes_through_the_broker(broker: Broker) -> None:
    received = Received()
    client = await client_of(broker.endpoint, "a", received)
    assert await client.subscribe((("rooms/+", 1), ("other", 0))) == (1, 0)

    await client.publish("rooms/kitchen", b"warm")
    await client.publish("rooms/attic", b"cold", qos=0)

    assert (await received.next())[:3] == ("rooms/kitchen", b"warm", 1)
    assert (await received.next())[:3] == ("rooms/attic", b"cold", 0)
    await client.close()


async def test_many_messages_arrive_in_order(broker: Broker) -> None:
    received = Received()
    client = await client_of(broker.endpoint, "a", received)
    await client.subscribe((("t", 1),))
    await asyncio.gather(*(client.publish("t", str(number).encode() * 300) for number in range(300)))
    payloads = [(await received.next()).payload for _ in range(300)]
    assert payloads == [str(number).encode() * 300 for number in range(300)]
    await client.close()


async def test_a_message_without_puback_comes_again_with_the_next_connection(broker: Broker) -> None:
    """MQTT 4.4.0-1."""
    forgetful = Received(acknowledges=False)
    receiver = await client_of(broker.endpoint, "receiver", forgetful, clean=False)
    assert not receiver.session_present
    await receiver.subscribe((("t", 1),))
    await receiver.publish("t", b"once")
    assert not (await forgetful.next()).dup
    await receiver.close()

    received = Received()
    receiver = await client_of(broker.endpoint, "receiver", received, clean=False)
    assert receiver.session_present
    again = await received.next()
    assert (again.payload, again.dup) == (b"once", True)
    await receiver.close()


async def test_the_end_of_the_broker_is_told(broker: Broker) -> None:
    client = await client_of(broker.endpoint, "a", Received())
    await broker.stop()
    assert "closed the connection" in await asyncio.wait_for(client.wait_closed(), 10)
    with pytest.raises(ConnectionLostError):
        await client.publish("t", b"")
    with pytest.raises(ConnectionLostError):
        await client.subscribe((("t", 1),))
    await client.close()


async def test_what_waits_for_puback_fails_when_the_connection_breaks(obedient: ObedientHub) -> None:
    obedient.orders.acknowledges = False
    client = await client_of(obedient.endpoint, "a", Received())
    publishing = asyncio.create_task(client.publish("t", b""))
    await obedient.until(1, Publish)
    obedient.drop()
    with pytest.raises(ConnectionLostError):
        await publishing
    await client.close()


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 200])
async def test_a_refusal_carries_its_code(obedient: ObedientHub, code: int) -> None:
    obedient.orders.connack = code
    with pytest.raises(ConnectRefusedError) as refusal:
        await client_of(obedient.endpoint, "a", Received())
    assert refusal.value.code == code


async def test_a_server_that_never_answers_connect_is_given_up(obedient: ObedientHub) -> None:
    obedient.orders.talks = False
    with pytest.raises(TimeoutError):
        await MqttClient.connect(
            obedient.endpoint.host, obedient.endpoint.port, None, Connect("a"), on_publish=Received(), timeout=0.1
        )


async def test_a_server_that_falls_silent_is_left(obedient: ObedientHub) -> None:
    client = await client_of(obedient.endpoint, "a", Received(), keep_alive=1)
    obedient.orders.talks = False
    assert await asyncio.wait_for(client.wait_closed(), 10) == "the other side fell silent"
    await client.close()


async def test_a_quiet_connection_is_kept_alive(broker: Broker) -> None:
    """MQTT 3.1.2-24: the broker cuts a client that says nothing for one and a half keep-alives."""
    client = await client_of(broker.endpoint, "a", Received(), keep_alive=1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.wait_closed(), 2.5)
    await client.close()


async def test_a_message_that_came_with_connack_is_not_lost(obedient: ObedientHub) -> None:
    """The broker sends what it kept for the session at once; the client acknowledges it."""
    received = Received()
    obedient.orders.talks = False
    connecting = asyncio.create_task(client_of(obedient.endpoint, "a", received))
    await obedient.until(1, Connect)
    obedient.visits[-1].writer.write(b"\x20\x02\x01\x00" + b"\x32\x06\x00\x01t\x00\x07!")
    client = await connecting
    assert (await received.next()).payload == b"!"
    assert await obedient.until(1, Puback) == [Puback(7)]
    await client.close()


async def test_a_server_that_does_not_speak_mqtt_is_left(obedient: ObedientHub) -> None:
    client = await client_of(obedient.endpoint, "a", Received())
    obedient.visits[-1].writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert "does not speak MQTT" in await asyncio.wait_for(client.wait_closed(), 10)
    await client.close()


def test_a_client_runs_on_uvloop_too() -> None:
    """Our programs run on it, a stranger's module perhaps not."""

    async def meet() -> None:
        hub = ObedientHub()
        await hub.start()
        client = await client_of(hub.endpoint, "a", Received())
        await client.publish("t", b"x")
        assert [packet.payload for packet in hub.visits[0].published()] == [b"x"]
        await client.close()
        await hub.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(meet())
