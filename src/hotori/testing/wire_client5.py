"""A client of MQTT 5 that does only what it is told, packet by packet: for tests of clauses of the standard."""

from __future__ import annotations

from hotori.model.identity import Identity
from hotori.mqtt.decoder5 import Decoder5
from hotori.mqtt.encoder5 import encode5
from hotori.mqtt.packets import Connect, Will
from hotori.mqtt.packets5 import Connack5, Disconnect5, Packet5, Publish5, Suback5, Subscribe5, Wish
from hotori.mqtt.properties import NO_PROPERTIES, Properties
from hotori.testing.small_hub import SmallHub
from hotori.testing.wire import LARGEST, Wire


class WireClient5(Wire[Packet5]):
    """A client of MQTT 5. `welcome` is the CONNACK."""

    welcome: Connack5

    def new_decoder(self) -> Decoder5:
        return Decoder5(LARGEST)

    def encoded(self, packet: Packet5) -> bytes:
        return encode5(packet)

    @classmethod
    async def connect(
        cls,
        hub: SmallHub,
        identity: Identity,
        properties: Properties = NO_PROPERTIES,
        *,
        clean_start: bool = False,
        keep_alive: int = 60,
        will: Will | None = None,
    ) -> WireClient5:
        """Connect as an identity with its own key, and be admitted."""
        client = await cls.dial(hub)
        hello = introduction5(hub, identity, properties, clean_start=clean_start, keep_alive=keep_alive, will=will)
        client.send(hello)
        client.welcome = await client.expect(Connack5)
        assert client.welcome.reason == 0, f"CONNACK {client.welcome.reason:#x}"
        return client

    async def subscribe(self, *filters: str, qos: int = 1, identifier: int | None = None) -> tuple[int, ...]:
        """Subscribe and wait; the SUBACK's reasons."""
        properties = Properties(subscription_ids=(identifier,)) if identifier else NO_PROPERTIES
        self.send(Subscribe5(60000, tuple(Wish(text, qos) for text in filters), properties))
        return (await self.expect(Suback5)).reasons

    async def expect_publish(self) -> Publish5:
        return await self.expect(Publish5)

    async def expect_disconnect(self) -> int:
        """The reason with which the hub ends the connection."""
        reason = (await self.expect(Disconnect5)).reason
        await self.expect_closed()
        return reason


def introduction5(
    hub: SmallHub,
    identity: Identity,
    properties: Properties = NO_PROPERTIES,
    *,
    clean_start: bool = False,
    keep_alive: int = 60,
    will: Will | None = None,
) -> Connect:
    """The CONNECT of an identity with its own key."""
    return Connect(
        str(identity),
        hub.user_name(identity),
        hub.token(identity).encode(),
        clean_session=clean_start,
        keep_alive=keep_alive,
        will=will,
        level=5,
        properties=properties,
    )
