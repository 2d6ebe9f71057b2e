"""An MQTT client that does only what it is told, packet by packet: for tests of clauses of the contract."""

from __future__ import annotations

from hotori.model.identity import Identity
from hotori.mqtt.decoder import Decoder
from hotori.mqtt.encoder import encode
from hotori.mqtt.packets import Connack, Connect, Packet, Publish, Suback, Subscribe, Will
from hotori.testing.small_hub import SmallHub
from hotori.testing.wire import LARGEST, Wire


class WireClient(Wire[Packet]):
    """A client of MQTT 3.1.1."""

    session_present: bool = False

    def new_decoder(self) -> Decoder:
        return Decoder(LARGEST)

    def encoded(self, packet: Packet) -> bytes:
        return encode(packet)

    @classmethod
    async def connect(
        cls,
        hub: SmallHub,
        identity: Identity,
        *,
        clean_session: bool = False,
        keep_alive: int = 60,
        will: Will | None = None,
    ) -> WireClient:
        """Connect as an identity with its own key, and be admitted."""
        client = await cls.dial(hub)
        client.send(
            Connect(
                str(identity),
                hub.user_name(identity),
                hub.token(identity).encode(),
                clean_session=clean_session,
                keep_alive=keep_alive,
                will=will,
            )
        )
        try:
            answer = await client.expect(Connack)
        except ConnectionError:
            await client.close()
            raise
        assert answer.code == 0, f"CONNACK {answer.code}"
        client.session_present = answer.session_present
        return client

    async def subscribe(self, *filters: str, qos: int = 1) -> tuple[int, ...]:
        """Subscribe and wait; the SUBACK's codes."""
        self.send(Subscribe(60000, tuple((text, qos) for text in filters)))
        return (await self.expect(Suback)).codes

    async def expect_publish(self) -> Publish:
        return await self.expect(Publish)
