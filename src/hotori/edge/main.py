"""An edge device's program: the concrete stores and the runtime are named here, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import platform
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit

from starlette.routing import Route

from hotori.edge.certificate_renewal import CertificateRenewal
from hotori.edge.cloud_api import CloudApi
from hotori.edge.device import EdgeDevice, EdgeParts, EdgeRules
from hotori.edge.enrolment import EnrolmentFile, ParentEdge
from hotori.edge.image_gate import ImageGate
from hotori.edge.last_run import LastRun
from hotori.edge.launched import Launched
from hotori.edge.listeners import EdgeListeners, bind_all
from hotori.edge.membership import settle
from hotori.edge.metrics import MetricsListener, metrics_app
from hotori.edge.module_engine import ModuleEngine, hub_address, hub_names
from hotori.edge.release_folder import ReleaseFolder
from hotori.edge.release_keeper import ReleaseKeeper, Running
from hotori.edge.trust_bundle import TrustBundle
from hotori.images.image_sizes import RegistrySizes
from hotori.images.image_store import ImageStore
from hotori.model.json import JsonObject
from hotori.net.address import is_loopback
from hotori.net.authority_apart import AuthorityApart
from hotori.net.http import HttpServer
from hotori.net.live_certificate import LiveCertificate
from hotori.net.ports import port_of, port_owner
from hotori.net.tls import client_context
from hotori.reconcile.release import INSTALLED
from hotori.runtimes.held_image import ImageHolder
from hotori.runtimes.image_shelf import ImageShelf
from hotori.runtimes.module_runtime import ModuleRuntime
from hotori.runtimes.process import ProcessRuntime
from hotori.runtimes.shell import ShellOpener
from hotori.sdk.connection_file import FILE_NAME, HubAddress, write_private
from hotori.store.data_folder import DataFolder
from hotori.store.segments import SegmentLog
from hotori.store.sqlite import SqliteRecords

_log = logging.getLogger(__name__)
_CA = "cloud-ca.pem"
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class _Runtime(ModuleRuntime, ImageHolder, ShellOpener, Protocol):
    """What each of the runtimes here can do."""


@dataclass(frozen=True, slots=True)
class _Modules:
    """What runs modules, and where their images are kept."""

    runtime: _Runtime
    shelf: ImageShelf


Ready: TypeAlias = Callable[[str, HubAddress], None]


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """Where a device keeps things and listens; `name` is what modules and devices behind it dial.

    `enrolment` None takes what the data folder kept. `https_port` None means 443, or 8443 where 443 is not to be
    had. `engine` runs the modules as containers, otherwise they are processes. An empty `listen` is loopback, or with
    an engine this machine's address in the modules' network; an empty `name` is the address.
    `parent` is the edge device to go through instead of dialling the cloud. `metrics` None serves none.
    `trust` has the authorities whose certificates devices behind this one may show. `launched` None means that no
    launcher can start another version of this program.
    """

    data: Path
    enrolment: EnrolmentFile | None
    listen: str
    name: str
    parent: ParentEdge | None = None
    mqtt_port: int = 8883
    https_port: int | None = None
    rules: EdgeRules = field(default_factory=EdgeRules)
    engine: ModuleEngine | None = None
    metrics: MetricsListener | None = None
    trust: TrustBundle = field(default_factory=TrustBundle)
    launched: Launched | None = None


async def run_edge(config: EdgeConfig, stop: asyncio.Event, ready: Ready | None = None) -> bool:
    """Run until `stop` is set. `ready` is told, with the device's name, once connect.json is written.

    Whether it ended to be launched again, as another version.

    Works without a cloud from the second start on. Raises `data-folder-in-use`, `enrolment-missing`,
    `device-differs`, `certificate-unusable`, the ports' and the stores' problems, all before anything is served.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(DataFolder(config.data))
        enrolment = settle(config.data, config.enrolment, config.parent)
        LastRun(config.listen, config.mqtt_port, config.https_port, config.engine).write(config.data)
        switching = asyncio.Event()
        modules, config = await _open_runtime(config, enrolment, stack, switching)
        ahead = config.engine is not None
        listeners = bind_all(config.listen, config.mqtt_port, config.https_port, ahead=ahead)
        stack.callback(listeners.close)
        counting = config.metrics.bind(config.listen) if config.metrics else None
        cloud = CloudApi(enrolment.above, enrolment.connection.host, enrolment.context())
        await stack.enter_async_context(cloud)
        images = await _image_gate(enrolment, stack)
        parts = await _open_parts(config, enrolment, modules, stack)
        renewal = CertificateRenewal(config.data, enrolment, cloud, parts.clock, config.rules.certificates)
        keeper = _keeper(config, enrolment, parts, switching)
        trial = config.launched.trial if config.launched else None
        stays = config.engine is not None
        parts = replace(parts, renewal=renewal, keeper=keeper, trial=trial, modules_stay=stays)
        certificate = LiveCertificate(parts.authority, served_names(config), config.rules.certificates)
        await stack.enter_async_context(certificate)
        device = await EdgeDevice.make(parts, cloud, images)

        if counting is not None:
            labels = {"iothub": enrolment.connection.host, "edge_device": device.identity.device}
            app = metrics_app(device.metrics, {**labels, "instance_number": str(uuid.uuid4()), "ms_telemetry": "True"})
            outside = None if is_loopback(counting.getsockname()[0]) else certificate
            await stack.enter_async_context(HttpServer(app, counting, outside))

        async def until_stopped() -> None:
            _announce(config, listeners, parts, stack, ready)
            await _first(stop, switching, device.forsaken)

        await device.live(listeners, certificate, until_stopped)
    _log.info("the device has ended")
    return switching.is_set() and not stop.is_set()


async def _first(*events: asyncio.Event) -> None:
    """Wait for any of them."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def _keeper(config: EdgeConfig, enrolment: EnrolmentFile, parts: EdgeParts, switching: asyncio.Event) -> ReleaseKeeper:
    folder, launched = ReleaseFolder(config.data), config.launched
    store = ImageStore(folder.store, config.data / "cloud-ca.pem")
    version, trial = (launched.version, launched.trial) if launched else (INSTALLED, None)
    running = Running(version, launched is not None, trial is not None)
    return ReleaseKeeper(folder, store, running, enrolment.registries, parts.clock, switching)


async def _open_runtime(
    config: EdgeConfig, enrolment: EnrolmentFile, stack: AsyncExitStack, switching: asyncio.Event
) -> tuple[_Modules, EdgeConfig]:
    """Open what runs modules, and settle where the hub listens: containers are asked where they can reach it.

    Containers go on where the program ends because it is `switching` to another version.
    """
    ca = config.data / _CA
    ca.write_text(enrolment.trusted, encoding="ascii")
    if config.engine is None:
        store = ImageStore(config.data / "images", ca)
        processes = ProcessRuntime(config.data / "runtime", store)
        stack.push_async_callback(processes.close)
        listen = config.listen or "127.0.0.1"
        return _Modules(processes, store), replace(config, listen=listen, name=config.name or listen)
    return await _open_containers(config, config.engine, str(enrolment.connection.identity), stack, switching)


async def _open_containers(
    config: EdgeConfig, engine: ModuleEngine, owner: str, stack: AsyncExitStack, switching: asyncio.Event
) -> tuple[_Modules, EdgeConfig]:
    # The engine's client is large, so only a device that has an engine loads it.
    from hotori.runtimes.docker import DockerRuntime, DockerSettings
    from hotori.runtimes.engine import Engine
    from hotori.runtimes.engine_shelf import EngineShelf

    settings = DockerSettings(
        owner=owner,
        folder=config.data / "runtime",
        network=engine.network,
        hub_names=hub_names(config.name),
        hub_address=hub_address(config.listen),
        port_owner=port_owner,
    )
    connection = Engine(engine.address)
    runtime = DockerRuntime(connection, settings)
    stack.push_async_exit(lambda *_: runtime.close(keep=switching.is_set()))
    listen = config.listen or await runtime.gateway()
    return _Modules(runtime, EngineShelf(connection)), replace(config, listen=listen, name=config.name or listen)


async def _open_parts(
    config: EdgeConfig, enrolment: EnrolmentFile, modules: _Modules, stack: AsyncExitStack
) -> EdgeParts:
    """Open the stores; the stack closes them again, last opened first."""
    records = SqliteRecords.open(config.data / "records.sqlite")
    stack.push_async_callback(records.close)
    queue_log = SegmentLog.open(config.data / "queues")
    stack.push_async_callback(queue_log.close)
    return EdgeParts(
        data=config.data,
        name=config.name,
        enrolment=enrolment,
        records=records,
        queue_log=queue_log,
        runtime=modules.runtime,
        images=modules.runtime,
        shells=modules.runtime,
        shelf=modules.shelf,
        sizes=RegistrySizes(config.data / _CA),
        authority=AuthorityApart.open(config.data / "authority"),
        architecture=platform.machine(),
        trust=config.trust,
        rules=config.rules,
    )


async def _image_gate(enrolment: EnrolmentFile, stack: AsyncExitStack) -> list[Route]:
    """To the parent, which hands images through, or to the cloud's registry: in the clear on loopback only."""
    above, registry, trusted = enrolment.above, enrolment.registry, client_context(enrolment.trusted)
    if enrolment.parent is not None:
        gate = ImageGate(f"{above.host}:{above.https_port}", trusted)
    elif registry is not None:
        clear = is_loopback(urlsplit(f"//{registry.address}").hostname or "")
        gate = ImageGate(registry.address, trusted, "http" if clear else "https")
    else:
        return []
    await stack.enter_async_context(gate)
    return gate.routes()


def _announce(
    config: EdgeConfig, listeners: EdgeListeners, parts: EdgeParts, stack: AsyncExitStack, ready: Ready | None
) -> None:
    """Write connect.json, for devices that connect to this one, and say that all is ready."""
    hub = HubAddress(config.name, port_of(listeners.mqtt), port_of(listeners.https))
    document: JsonObject = {"hub": hub.document(), "ca": str(parts.authority.certificate)}
    write_private(config.data / FILE_NAME, document)
    stack.callback((config.data / FILE_NAME).unlink, missing_ok=True)
    if ready:
        ready(parts.enrolment.connection.identity.device, hub)


def served_names(config: EdgeConfig) -> tuple[str, ...]:
    """What the certificate is made out to: all that clients may dial. `listen` and `name` are settled."""
    local = _LOCAL_NAMES if is_loopback(config.listen) else ()
    containers = hub_names(config.name) if config.engine else ()
    return tuple(dict.fromkeys((config.name, config.listen, *local, *containers)))
