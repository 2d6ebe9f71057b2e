"""`hotori edge release` and `hotori edge update`: versions of the edge program, made and handed to devices."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.model.json import JsonObject
from hotori.model.manifest import RegistryCredential
from hotori.problems import Problem, Words
from hotori.problems.storage import FILE_UNREADABLE
from hotori.sdk.connection_file import CloudConnection

if TYPE_CHECKING:
    from hotori.images.image import Image, ImageSet
    from hotori.model.image_reference import ImageReference
    from hotori.sdk.service import ServiceClient

_LOCK = Path("requirements/device.lock")
_VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)
_ASK_EVERY = 0.5


@click.group()
def release() -> None:
    """Make versions of the edge program that devices can update themselves to."""


@release.command()
@click.argument("image", required=False)
@click.option(
    "--package",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder of the package hotori to release; else the one that runs now.",
)
@click.option(
    "--lock",
    type=click.Path(path_type=Path, dir_okay=False),
    default=_LOCK,
    show_default=True,
    help="What it needs: a lock file in which every line has its hashes.",
)
@click.option(
    "--wheels",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Take the wheels from this folder and ask no index.",
)
@click.option(
    "--platform", "platforms", multiple=True, help="amd64, arm64v8 or arm32v7; repeat it; else this machine's."
)
@cloud_option
@answers
def push(
    terminal: Terminal,
    image: str | None,
    package: Path | None,
    lock: Path,
    wheels: Path | None,
    platforms: tuple[str, ...],
    cloud: str | None,
) -> None:
    """Pack the edge program with everything that it needs, and push it to the cloud's registry as IMAGE.

    IMAGE is hotori-edge with the version as its tag unless given. Devices need no package index.

    \b
    Example:  hotori edge release push --platform amd64 --platform arm64v8
              hotori edge release push cloud.example:5000/hotori-edge:0.2.0 --package src/hotori --wheels wheels
    """
    from hotori.model.image_reference import ImageReference

    connection = open_cloud(cloud)
    folder = package or Path(__file__).parents[1]
    version = _version(folder)
    reference = ImageReference.parse(image or f"{connection.registry_address}/hotori-edge:{version}")
    pinned = run(_push(terminal, connection, reference, (folder, lock, wheels), platforms))
    words = Words(
        "{version} is {image}\nnext:  hotori edge update DEVICE {image}",
        "{version} は {image} です\n次に:  hotori edge update DEVICE {image}",
    )
    terminal.result({"version": version, "image": str(pinned)}, words, version=version, image=pinned)


@click.command()
@click.argument("device")
@click.argument("image")
@click.option("--again", is_flag=True, help="Ask for it anew, though this device took it back before.")
@click.option("--wait/--no-wait", default=True, help="Wait until the device runs it, or has gone back.")
@click.option(
    "--patience", type=click.FloatRange(1), default=1800.0, show_default=True, help="Seconds to wait at most."
)
@cloud_option
@answers
def update(
    terminal: Terminal, device: str, image: str, again: bool, wait: bool, patience: float, cloud: str | None
) -> None:
    """Have a device run another version of the edge program, and see what becomes of it.

    IMAGE is what `hotori edge release push` printed. A device that a deployment to many devices is meant for takes the
    version from there: systemModules.edgeAgent.settings.image.

    \b
    Example:  hotori edge update edge-1 cloud.example:5000/hotori-edge:0.2.0
    """
    from hotori.model.image_reference import ImageReference

    run(_update(terminal, open_cloud(cloud), device, ImageReference.parse(image), again, patience if wait else None))


async def _push(
    terminal: Terminal,
    cloud: CloudConnection,
    reference: ImageReference,
    sources: tuple[Path, Path, Path | None],
    platforms: tuple[str, ...],
) -> ImageReference:
    from hotori.images.client import RegistryClient

    def say(line: str) -> None:
        terminal.note(Words("{line}", "{line}"), line=line)

    built = await _build(sources, platforms, say)
    # Loaded by this command alone: a device's program is to be small (ADR 25).
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=terminal.err, transient=True, disable=terminal.as_json) as bars:
        bar = bars.add_task(str(reference), total=None)
        async with RegistryClient(reference.registry, _credential(cloud, reference), cloud.ca) as client:
            digest = await client.push(
                built, reference, lambda done, total: bars.update(bar, completed=done, total=total)
            )
    return reference.pinned(digest)


async def _build(sources: tuple[Path, Path, Path | None], platforms: tuple[str, ...], say: Any) -> Image | ImageSet:
    """An image for each platform: the lock's packages below, the program itself above, so that one layer changes."""
    from hotori.edge.release_folder import PACKAGES
    from hotori.edge.release_keeper import RELEASE_LABEL
    from hotori.images.build_cache import BuildCache
    from hotori.images.builder import build_images
    from hotori.images.recipe import FolderLayer, ImageRecipe, RequirementsLayer
    from hotori.model.platform import Platform
    from hotori.runtimes.host import host_platform

    package, lock, wheels = sources
    target = f"/{PACKAGES}"
    layers = (RequirementsLayer(lock, target, wheels), FolderLayer(package, f"{target}/hotori"))
    recipes = [
        ImageRecipe(
            platform=platform,
            layers=layers,
            entrypoint=("python3", "-m", "hotori.cli", "edge", "run"),
            working_dir="/",
            env={"PYTHONPATH": target},
            labels={RELEASE_LABEL: _version(package)},
        )
        for platform in ([Platform.parse(name) for name in platforms] or [host_platform()])
    ]
    return await build_images(recipes, BuildCache(Path.home() / ".cache" / "hotori" / "builds"), say)


async def _update(
    terminal: Terminal,
    cloud: CloudConnection,
    device: str,
    reference: ImageReference,
    again: bool,
    patience: float | None,
) -> None:
    from hotori.images.client import RegistryClient

    if reference.digest is None:
        async with RegistryClient(reference.registry, _credential(cloud, reference), cloud.ca) as client:
            reference = reference.pinned(await client.resolve(reference))
    async with service_client(cloud) as client:
        await _ask_for(client, device, reference, again)
        document: JsonObject = {"device": device, "image": str(reference), "state": "asked"}
        if patience is not None:
            await _wait(terminal, client, device, reference, patience)
            document["state"] = "current"
    words = Words("{device} runs {image}", "{device} は {image} で動いています")
    asked = Words("{device} was asked for {image}", "{device} に {image} を要求しました")
    terminal.result(document, asked if patience is None else words, device=device, image=reference)


async def _ask_for(client: ServiceClient, device: str, reference: ImageReference, again: bool) -> None:
    """Name it in the device's deployment; a device that has none gets one without modules."""
    own: JsonObject = {"type": "docker", "settings": {"image": str(reference), "createOptions": "{}"}}
    if again:
        own["version"] = f"asked at {time.time():.0f}"
    identity = Identity(device, EDGE_AGENT)
    twin: Any = await client.twin(identity)
    if twin["properties"]["desired"].get("schemaVersion"):
        await client.patch_twin(identity, {"systemModules": {"edgeAgent": own}})
        return
    agent: JsonObject = {
        "schemaVersion": "1.1",
        "runtime": {"type": "docker", "settings": {}},
        "systemModules": {"edgeAgent": own},
        "modules": {},
    }
    hub: JsonObject = {"schemaVersion": "1.1", "routes": {}}
    content: JsonObject = {"$edgeAgent": {"properties.desired": agent}, "$edgeHub": {"properties.desired": hub}}
    await client.apply_manifest(device, {"modulesContent": content})


async def _wait(
    terminal: Terminal, client: ServiceClient, device: str, reference: ImageReference, patience: float
) -> None:
    """Until it runs there, saying how far it is. Raises what the device reports."""
    told, deadline = "", time.monotonic() + patience
    while time.monotonic() < deadline:
        twin: Any = await client.twin(Identity(device, EDGE_AGENT))
        reported = twin["properties"]["reported"]
        program = reported.get("program") or {}
        if program.get("wanted") == reference.digest:
            if program.get("state") == "current" and program.get("running") == reference.digest:
                return
            if program.get("state") in ("failed", "unmanaged") or _refused(reported):
                raise _problem(reported)
            line = _line(program)
            if line != told:
                terminal.note(Words("{device}: {line}", "{device}: {line}"), device=device, line=line)
            told = line
        await asyncio.sleep(_ASK_EVERY)
    raise click.ClickException(f"{device} did not get there within {patience:g} s; it goes on: hotori twin show")


def _refused(reported: Any) -> bool:
    """Whether waiting is in vain: nothing but another image would change it."""
    final = ("release-not-one", "image-wrong-platform", "image-wrong-python")
    return any(problem["code"] in final for problem in reported.get("problems") or ())


def _problem(reported: Any) -> Problem:
    problems = [Problem.from_document(each) for each in reported.get("problems") or ()]
    chosen = [each for each in problems if each.code.startswith(("release-", "image-"))]
    return (chosen or problems)[0]


def _line(program: Any) -> str:
    progress = program.get("progress") or {}
    if not progress.get("of"):
        return str(program.get("state"))
    return f"{program['state']} {100 * progress['done'] // progress['of']} %"


def _credential(cloud: CloudConnection, reference: ImageReference) -> RegistryCredential | None:
    if reference.registry != cloud.registry_address:
        return None
    return RegistryCredential(cloud.registry_address, cloud.registry_username, cloud.registry_password)


def _version(package: Path) -> str:
    """The version that a package's folder says it is. Raises `file-unreadable`."""
    path = package / "__init__.py"
    try:
        found = _VERSION.search(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(FILE_UNREADABLE, str(error), path=path, reason=error.strerror or "unknown") from error
    if found is None:
        reason = Words("it has no __version__", "__version__ がありません")
        raise Problem(FILE_UNREADABLE, path=path, reason=reason)
    return found[1]
