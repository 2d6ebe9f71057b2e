"""`hotori edge`: run an edge device."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hotori.cli.edge_check import check
from hotori.cli.edge_control import COMMANDS
from hotori.cli.edge_install import config as config_group
from hotori.cli.edge_install import install, take_settings
from hotori.cli.edge_launch import launch
from hotori.cli.edge_provision import provision
from hotori.cli.edge_release import release, update
from hotori.cli.options import answers, run
from hotori.cli.provisioning_options import Provisioning, ShownCertificate, provisioning_options
from hotori.cli.serving import PORT, until_asked_to_stop
from hotori.cli.terminal import Terminal
from hotori.model.connection_string import IdentityConnection
from hotori.model.json import JsonObject
from hotori.problems import Words
from hotori.sdk.connection_file import FILE_NAME, HubAddress, read_text

if TYPE_CHECKING:
    from hotori.edge.enrolment import EnrolmentFile, ParentEdge

_READY = Words(
    "The device {device} is ready.\n  hub       {host}:{mqtt} (MQTT), {host}:{https} (HTTPS)\n  connect   {file}",
    "デバイス {device} の準備ができました。\n  ハブ      {host}:{mqtt} (MQTT)、{host}:{https} (HTTPS)\n"
    "  接続情報  {file}",
)

_ENGINES = {"docker": "unix:///run/docker.sock", "podman": "unix:///run/podman/podman.sock"}


@click.group()
def edge() -> None:
    """Run an edge device, and ask one that runs on this machine."""


for command in (*COMMANDS, check, install, config_group, provision, launch, release, update):
    edge.add_command(command)


@edge.command(name="run")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=take_settings,
    help="Settings in a file, as `hotori edge install` writes it; options go before them.",
)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where all is kept.")
@click.option(
    "--enrolment", type=click.Path(path_type=Path, dir_okay=False), help="What `hotori device add --write` wrote."
)
@click.option(
    "--connection-string",
    help="Instead of the enrolment file: who the device is; give --ca too, and a --certificate if it says x509=true.",
)
@provisioning_options
@click.option("--ca", type=click.Path(path_type=Path, dir_okay=False), help="The cloud's authority (PEM).")
@click.option(
    "--hub-mqtt-port", type=PORT, default=8883, show_default=True, help="The cloud's, without an enrolment file."
)
@click.option(
    "--hub-https-port", type=PORT, default=443, show_default=True, help="The cloud's, without an enrolment file."
)
@click.option("--parent", metavar="HOST", help="The edge device to go through, instead of dialling the cloud.")
@click.option("--parent-ca", type=click.Path(path_type=Path, dir_okay=False), help="The parent's authority (PEM).")
@click.option("--parent-mqtt-port", type=PORT, default=8883, show_default=True)
@click.option("--parent-https-port", type=PORT, default=443, show_default=True)
@click.option(
    "--dead-after",
    type=click.IntRange(2, 600),
    default=20,
    show_default=True,
    help="Seconds of silence after which the connection upwards counts as lost.",
)
@click.option(
    "--catch-up",
    type=click.FloatRange(1),
    default=1000.0,
    show_default=True,
    help="Messages a second that go up of what waited; fresh ones are not held back.",
)
@click.option(
    "--listen",
    default="",
    help="The address to listen on; unless given 127.0.0.1, or with a container engine this machine's address in the "
    "modules' network.",
)
@click.option("--name", help="The name that modules and devices behind this one dial; else the address.")
@click.option("--mqtt-port", type=PORT, default=8883, show_default=True)
@click.option("--https-port", type=PORT, help="443 where allowed, else 8443, unless given.")
@click.option(
    "--runtime",
    type=click.Choice(["process", "docker", "podman"]),
    default="process",
    show_default=True,
    help="What runs the modules: plain processes, or a container engine.",
)
@click.option(
    "--docker-host",
    envvar="DOCKER_HOST",
    help="The engine's address; unless given, unix:///run/docker.sock or unix:///run/podman/podman.sock.",
)
@click.option(
    "--keep-images",
    type=click.FloatRange(0),
    default=7.0,
    show_default=True,
    help="Days after which an image that no module uses is removed.",
)
@click.option(
    "--image-budget",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Megabytes of images above which unused ones go sooner, the longest unused first; 0 for no limit.",
)
@click.option("--metrics/--no-metrics", default=True, envvar="MetricsEnabled", help="Serve metrics for Prometheus.")
@click.option("--metrics-port", type=PORT, help="9600 where that is free, unless given.")
@click.option("--metrics-listen", default="", help="Loopback unless given; elsewhere metrics are served by TLS.")
@click.option(
    "--trust",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Authorities (PEM) whose certificates devices behind this one may show.",
)
@click.option(
    "--shell/--no-shell",
    default=True,
    show_default=True,
    help="Let those with the right open a shell in a module from the cloud.",
)
@click.option(
    "--shell-idle",
    type=click.FloatRange(0.1),
    default=15.0,
    show_default=True,
    help="Minutes without a sign of life after which a shell is ended.",
)
@click.option(
    "--streams",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="How many logs may be followed and shells be open at a time.",
)
@click.option("--network", default="azure-iot-edge", show_default=True, help="The modules' network in the engine.")
@answers
def run_command(
    terminal: Terminal,
    data: Path,
    enrolment: Path | None,
    connection_string: str | None,
    provisioning: Provisioning | None,
    shown: ShownCertificate | None,
    ca: Path | None,
    hub_mqtt_port: int,
    hub_https_port: int,
    parent: str | None,
    parent_ca: Path | None,
    parent_mqtt_port: int,
    parent_https_port: int,
    dead_after: int,
    catch_up: float,
    listen: str,
    name: str | None,
    mqtt_port: int,
    https_port: int | None,
    runtime: str,
    docker_host: str | None,
    network: str,
    keep_images: float,
    image_budget: int,
    metrics: bool,
    metrics_port: int | None,
    metrics_listen: str,
    trust: Path | None,
    shell: bool,
    shell_idle: float,
    streams: int,
) -> None:
    """Run the agent and the message hub of an edge device until Ctrl-C.

    On the first start it needs an enrolment, or fetches one with --provisioning-host; later it knows who it is, and
    starts offline too. With --parent it reaches its cloud through another edge device, whose authority is
    DATA/authority/root.pem there.
    Writes DATA/connect.json once everything is ready.

    \b
    Example:  hotori edge run --data edge-1 --enrolment edge-1.json
              hotori edge run --data edge-1 --enrolment edge-1.json --runtime docker
    """
    from hotori.edge.device import EdgeRules
    from hotori.edge.launched import Launched
    from hotori.edge.main import EdgeConfig, run_edge
    from hotori.edge.metrics import MetricsListener
    from hotori.edge.module_engine import ModuleEngine
    from hotori.edge.streams.device_streams import StreamRules
    from hotori.edge.trust_bundle import TrustBundle
    from hotori.reconcile.image_policy import ImageRules

    config = EdgeConfig(
        data=data.resolve(),
        enrolment=_ticket(enrolment, connection_string, shown, ca, hub_mqtt_port, hub_https_port)
        or _provisioned(data, provisioning, ca, hub_mqtt_port, hub_https_port),
        listen=listen,
        name=name or listen,
        engine=None if runtime == "process" else ModuleEngine(docker_host or _ENGINES[runtime], network),
        rules=EdgeRules(
            images=ImageRules(keep_for=keep_images * 86400, budget=image_budget * 1_000_000),
            streams=StreamRules(shell, streams, shell_idle * 60),
            dead_after=dead_after,
            catch_up=catch_up,
        ),
        parent=_parent(parent, parent_ca, parent_mqtt_port, parent_https_port),
        mqtt_port=mqtt_port,
        https_port=https_port,
        metrics=MetricsListener(metrics_listen, metrics_port) if metrics else None,
        trust=TrustBundle.read(trust) if trust else TrustBundle(),
        launched=(launched := Launched.read(os.environ)),
    )

    ready = partial(_tell_ready, terminal, config.data / FILE_NAME)
    switches = run(until_asked_to_stop(lambda stop: run_edge(config, stop, ready)))
    if switches and launched is not None:
        launched.again()


def _tell_ready(terminal: Terminal, file: Path, device: str, hub: HubAddress) -> None:
    document: JsonObject = {"ready": True, "device": device, "connect": str(file)}
    where = {"host": hub.host, "mqtt": hub.mqtt_port, "https": hub.https_port, "file": file}
    terminal.result(document, _READY, device=device, **where)


def _ticket(
    file: Path | None,
    connection_string: str | None,
    shown: ShownCertificate | None,
    ca: Path | None,
    mqtt_port: int,
    https_port: int,
) -> EnrolmentFile | None:
    """Who the device is, from the file or from the pieces; None leaves it to what the data folder kept."""
    from hotori.edge.enrolment import EnrolmentFile

    certificate = shown.read() if shown else None
    if file is not None:
        read = EnrolmentFile.read(file)
        return replace(read, certificate=certificate or read.certificate)
    if connection_string is None:
        return None
    if ca is None:
        raise click.UsageError("--connection-string needs --ca")
    connection = IdentityConnection.parse(connection_string, certificates=True)
    hub = HubAddress(connection.host, mqtt_port, https_port)
    return EnrolmentFile(connection, read_text(ca), hub, certificate=certificate)


def _provisioned(
    data: Path, provisioning: Provisioning | None, ca: Path | None, mqtt_port: int, https_port: int
) -> EnrolmentFile | None:
    """Who the device is, asked of its cloud once; later starts need nobody."""
    from hotori.edge.membership import ENROLMENT

    if provisioning is None or (data / ENROLMENT).exists():
        return None
    if ca is None:
        raise click.UsageError("--provisioning-host needs --ca")
    return provisioning.fetch(ca, mqtt_port, https_port)


def _parent(host: str | None, ca: Path | None, mqtt_port: int, https_port: int) -> ParentEdge | None:
    """The edge device to go through; None leaves it to what the data folder kept."""
    from hotori.edge.enrolment import ParentEdge

    if host is None:
        return None
    if ca is None:
        raise click.UsageError("--parent needs --parent-ca")
    return ParentEdge(HubAddress(host, mqtt_port, https_port), read_text(ca))
