"""The cloud's program: everything it is made of is named and put together here, and nowhere else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from hotori.cloud.blob_grants import StoreGrants
from hotori.cloud.credentials import CloudCredentials
from hotori.cloud.front import with_storage
from hotori.cloud.image_pinner import ImagePinner
from hotori.cloud.listeners import CloudListeners, bind_all
from hotori.hub.cloud_services import CloudSurroundings, open_services
from hotori.hub.hub_events import EventSource
from hotori.hub.listener import mqtt_tunnel, serve_mqtt
from hotori.hub.rates import ClientRates
from hotori.hub.service_api.app import service_app
from hotori.hub.service_api.dependencies import ServiceDependencies
from hotori.images.image_files import ImageFiles
from hotori.images.registry import registry_app
from hotori.model.connection_string import StorageConnection
from hotori.model.secret import Secret
from hotori.net.address import is_loopback
from hotori.net.authority import Authority
from hotori.net.client_certificate import ask_for_certificate
from hotori.net.http import AsgiApp, HttpServer
from hotori.net.live_certificate import DAY, LiveCertificate
from hotori.net.ports import port_of
from hotori.net.tls import ServesTls, client_context
from hotori.objects.blob_files import BlobFiles
from hotori.objects.server import objects_app
from hotori.sdk.connection_file import FILE_NAME, CloudConnection, HubAddress, write_private
from hotori.sdk.storage import StorageClient
from hotori.store.data_folder import DataFolder
from hotori.store.segments import SegmentLog
from hotori.store.sqlite import SqliteRecords

ACCOUNT = "hotori"
USER = "hotori"
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class CloudConfig:
    """Where the cloud keeps and serves things. `https_port` None means 443, or 8443 where 443 is not to be had.

    `hub_events` are what the hub tells of in the event log beside what devices say. Every
    `certificate_look` seconds it is seen whether the listeners' certificate must be renewed.
    """

    data: Path
    listen: str
    name: str
    mqtt_port: int = 8883
    https_port: int | None = None
    storage_port: int = 10000
    registry_port: int = 5000
    portal_port: int = 8080
    hub_events: frozenset[EventSource] = frozenset()
    certificate_look: float = DAY
    client_rates: ClientRates | None = None


@dataclass(frozen=True, slots=True)
class CloudParts:
    """The parts that the portal shows, as the cloud made them."""

    services: ServiceDependencies
    blobs: BlobFiles
    images: ImageFiles
    credentials: CloudCredentials


PortalFactory = Callable[[CloudParts], AsgiApp]
Ready = Callable[[CloudConnection], None]


async def run_cloud(config: CloudConfig, stop: asyncio.Event, portal: PortalFactory, ready: Ready) -> None:
    """Run until `stop` is set. `ready` is told once connect.json is written.

    Raises `data-folder-in-use`, `port-in-use`, `port-forbidden`, `address-unavailable` and the stores' problems,
    all before anything is served.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(DataFolder(config.data))
        listeners = bind_all(
            config.listen,
            config.mqtt_port,
            config.https_port,
            config.storage_port,
            config.registry_port,
            config.portal_port,
        )
        stack.callback(listeners.close)
        authority = Authority.open(config.data / "authority")
        certificate = LiveCertificate(authority, _names(config), config.certificate_look)
        await stack.enter_async_context(certificate)
        parts = await _open_parts(config, stack, listeners, authority)
        await _serve(config, stack, listeners, certificate, parts, portal)
        connection = _connection(config, listeners, authority, parts)
        write_private(config.data / FILE_NAME, connection.document())
        stack.callback((config.data / FILE_NAME).unlink, missing_ok=True)
        ready(connection)
        await stop.wait()


def _names(config: CloudConfig) -> tuple[str, ...]:
    """What the certificate is made out to: all that clients may dial."""
    local = _LOCAL_NAMES if is_loopback(config.listen) else ()
    return tuple(dict.fromkeys((config.name, config.listen, *local)))


async def _open_parts(
    config: CloudConfig, stack: AsyncExitStack, listeners: CloudListeners, authority: Authority
) -> CloudParts:
    """Open the stores and what stands on them; the stack closes them again, last opened first."""
    records = SqliteRecords.open(config.data / "records.sqlite")
    stack.push_async_callback(records.close)
    credentials = CloudCredentials.open(config.data / "credentials.json", os.urandom)
    blobs = BlobFiles(records, config.data / "objects")
    await blobs.recover()
    images = ImageFiles(config.data / "images")
    storage = _storage(config, listeners, credentials)
    files_host = f"{_service_host(config, listeners)}/{ACCOUNT}"
    trust = client_context(None)  # lent containers may be of this cloud's own object store, or of any other
    trust.load_verify_locations(authority.certificate)
    around = CloudSurroundings(
        name=config.name,
        records=records,
        event_log=SegmentLog.open(config.data / "events"),
        queue_log=SegmentLog.open(config.data / "queues"),
        grants=StoreGrants(blobs, ACCOUNT, credentials.storage_key, lambda: files_host),
        own_storage=lambda: StorageClient(storage, authority.certificate),
        trust=trust,
        authority=authority,
        pinner=ImagePinner(images, f"{config.name}:{port_of(listeners.registry)}"),
        hub_events=config.hub_events,
        client_rates=config.client_rates,
    )
    return CloudParts(await open_services(around, stack), blobs, images, credentials)


async def _serve(
    config: CloudConfig,
    stack: AsyncExitStack,
    listeners: CloudListeners,
    certificate: ServesTls,
    parts: CloudParts,
    portal: PortalFactory,
) -> None:
    """Start every listener. Off loopback all of them speak TLS; on it, MQTT and the service API do."""
    context = certificate.context()
    ask_for_certificate(context)
    mqtt = await serve_mqtt(parts.services.hub, ssl_context=context, sock=listeners.mqtt)
    stack.callback(mqtt.close)
    outside = None if is_loopback(config.listen) else certificate
    service = service_app(parts.services)
    images = registry_app(parts.images, {USER: parts.credentials.registry_password})
    storage = objects_app(parts.blobs, {ACCOUNT: [parts.credentials.storage_key]})
    tunnels = (mqtt_tunnel(parts.services.hub), parts.services.streams.door.tunnel())
    await stack.enter_async_context(
        HttpServer(with_storage(service, storage, ACCOUNT), listeners.https, certificate, tunnels, asks_clients=True)
    )
    for app, listener, tls in (
        (storage, listeners.storage, outside),
        (images, listeners.registry, outside),
        (portal(parts), listeners.portal, outside),
    ):
        await stack.enter_async_context(HttpServer(app, listener, tls))
    await parts.services.endpoints.start()
    stack.push_async_callback(parts.services.endpoints.close)


def _storage(config: CloudConfig, listeners: CloudListeners, credentials: CloudCredentials) -> StorageConnection:
    scheme = "http" if is_loopback(config.listen) else "https"
    url = f"{scheme}://{config.name}:{port_of(listeners.storage)}/{ACCOUNT}"
    return StorageConnection(ACCOUNT, credentials.storage_key, url)


def _service_host(config: CloudConfig, listeners: CloudListeners) -> str:
    """Name and port of the hub's HTTPS, as addresses write them."""
    port = port_of(listeners.https)
    return config.name if port == 443 else f"{config.name}:{port}"


def _connection(
    config: CloudConfig,
    listeners: CloudListeners,
    authority: Authority,
    parts: CloudParts,
) -> CloudConnection:
    credentials = parts.credentials
    scheme = "http" if is_loopback(config.listen) else "https"
    service_host = _service_host(config, listeners)
    portal_url = f"{scheme}://{config.name}:{port_of(listeners.portal)}"
    return CloudConnection(
        hub=HubAddress(config.name, port_of(listeners.mqtt), port_of(listeners.https)),
        ca=authority.certificate,
        service=Secret(parts.services.policies.owner.connection(service_host).format()),
        storage=Secret(_storage(config, listeners, credentials).format()),
        registry_address=f"{config.name}:{port_of(listeners.registry)}",
        registry_username=USER,
        registry_password=credentials.registry_password,
        vision_endpoint=portal_url,
        vision_training_key=credentials.vision_training_key,
        vision_prediction_key=credentials.vision_prediction_key,
        portal_url=portal_url,
        portal_username=USER,
        portal_password=credentials.portal_password,
        id_scope=parts.services.provisioning.scope,
    )
