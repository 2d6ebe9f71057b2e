"""Making one connection to a hub: who we say we are, and what went wrong if it does not let us in."""

from __future__ import annotations

from urllib.parse import quote

from hotori import __version__
from hotori.model.identity import Identity
from hotori.mqtt.packets import Connect
from hotori.sdk.connect_problem import connect_problem
from hotori.sdk.endpoint import Endpoint
from hotori.sdk.mqtt_client import MqttClient, MqttClientError, PubackHandler, PublishHandler
from hotori.sdk.outbox import PacketIds

API_VERSION = "2021-04-12"
USER_AGENT = f"hotori/{__version__}"


def introduction(hub: str, identity: Identity, token: str, keep_alive: int, auth_chain: str | None = None) -> Connect:
    """The CONNECT of an identity (contract 1.2): a session that outlives its connections.

    With `auth_chain` an edge hub speaks for the identity, and the token is the edge hub's own (contract 11.3).
    """
    chain = f"&auth-chain={quote(auth_chain, safe='')}" if auth_chain else ""
    agent = quote(USER_AGENT, safe="")
    return Connect(
        client_id=str(identity),
        username=f"{hub}/{identity}/?api-version={API_VERSION}&DeviceClientType={agent}{chain}",
        password=token.encode(),
        clean_session=False,
        keep_alive=keep_alive,
    )


async def dial(
    endpoint: Endpoint,
    identity: Identity,
    hello: Connect,
    *,
    on_publish: PublishHandler,
    on_puback: PubackHandler,
    ids: PacketIds,
    timeout: float,
) -> MqttClient:
    """A live connection, or the problem why there is none."""
    try:
        return await MqttClient.connect(
            endpoint.host,
            endpoint.port,
            endpoint.ssl_context,
            hello,
            on_publish=on_publish,
            on_puback=on_puback,
            ids=ids,
            timeout=timeout,
        )
    except (OSError, MqttClientError) as error:
        raise connect_problem(error, endpoint, identity) from error
