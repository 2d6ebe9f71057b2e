"""`hotori deploy`: from a folder on the developer's machine to modules that run on a device."""

from __future__ import annotations

import os
import platform as machine
from collections.abc import Mapping
from pathlib import Path

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.manifest import RegistryCredential
from hotori.problems import Words
from hotori.sdk.connection_file import CloudConnection

_PLATFORM_KEYS = {"x86_64": "amd64", "aarch64": "arm64v8", "armv7l": "arm32v7"}


def cloud_variables(cloud: CloudConnection) -> dict[str, str]:
    """What a template may ask of the cloud that it is deployed from."""
    return {
        "CONTAINER_REGISTRY_SERVER": cloud.registry_address,
        "CONTAINER_REGISTRY_USERNAME": cloud.registry_username,
        "CONTAINER_REGISTRY_PASSWORD": cloud.registry_password.reveal(),
        "STORAGE_CONNECTION_STRING": cloud.storage.reveal(),
    }


def _settings(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if any(not equals for _, equals, _ in pairs):
        raise click.BadParameter("NAME=VALUE is needed")
    return {name: value for name, _, value in pairs}


def _absolute(settings: Mapping[str, str]) -> dict[str, str]:
    """Values that name a file or folder from here mean it from anywhere."""
    return {name: str(Path(value).resolve()) if Path(value).exists() else value for name, value in settings.items()}


@click.command()
@click.argument("solution", type=click.Path(path_type=Path))
@click.option("--device", help="The device to deploy to.")
@click.option("--check", is_flag=True, help="Only look for faults in the manifest; build, push and deploy nothing.")
@click.option("--platform", help="amd64, arm64v8 or arm32v7; else this machine's.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", callback=_settings, help="Fill in a variable.")
@cloud_option
@answers
def deploy(
    terminal: Terminal,
    solution: Path,
    device: str | None,
    check: bool,
    platform: str | None,
    settings: dict[str, str],
    cloud: str | None,
) -> None:
    """Build the images of SOLUTION, push them, and deploy its manifest to a device.

    SOLUTION is a folder with a deployment.template.json, or a manifest file. Images are deployed by digest.

    \b
    Example:  hotori deploy examples/main-job --device edge-1 \\
                --set MODEL=build/model.onnx --set PICTURES=examples/pictures
              hotori deploy --check deployment.json
    """
    if check:
        _check(terminal, solution, settings)
        return
    if device is None:
        raise click.UsageError("--device is needed, or --check")
    connection = open_cloud(cloud)
    run(deploy_solution(terminal, connection, solution, device, _absolute(settings), platform))


def _check(terminal: Terminal, path: Path, settings: Mapping[str, str]) -> None:
    from hotori.model.image_reference import ImageReference
    from hotori.solution.deployment import filled_manifest
    from hotori.solution.solution import Solution

    solution = Solution.open(path)
    stand_in = ImageReference("localhost", "image", digest="sha256:" + 64 * "0")
    images = {module.name: stand_in for module in solution.modules}
    filled_manifest(solution, images, {**os.environ, **solution.environment, **settings})
    terminal.result({"valid": True}, Words("no fault found in {path}", "{path} に誤りはありません"), path=path)


async def deploy_solution(
    terminal: Terminal,
    cloud: CloudConnection,
    path: Path,
    device: str,
    settings: Mapping[str, str],
    platform: str | None = None,
) -> None:
    """Deploy and tell the terminal about it, progress included."""
    from hotori.images.build_cache import BuildCache
    from hotori.solution.deployment import Workshop, deploy
    from hotori.solution.solution import Solution

    solution = Solution.open(path)
    registry = RegistryCredential(cloud.registry_address, cloud.registry_username, cloud.registry_password)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=terminal.err, transient=True, disable=terminal.as_json) as bars:
        tasks = {module.name: bars.add_task(module.name, total=None) for module in solution.modules}
        workshop = Workshop(
            registry=registry,
            ca=cloud.ca,
            cache=BuildCache(cache_folder(os.environ)),
            platform_key=platform or _PLATFORM_KEYS.get(machine.machine(), machine.machine()),
            say=lambda line: terminal.note(Words("  {line}", "  {line}"), line=line),
            progress=lambda name, done, total: bars.update(tasks[name], completed=done, total=total),
        )
        async with service_client(cloud) as client:
            variables = {**os.environ, **cloud_variables(cloud), **solution.environment, **settings}
            deployed = await deploy(solution, device, workshop, client, variables)
    terminal.result(
        deployed.document(),
        Words("deployed to {device}: {modules}", "{device} に配備しました: {modules}"),
        device=device,
        modules=", ".join(deployed.images) or path.name,
    )


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where built layers are kept between runs (XDG base directories)."""
    base = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".cache")
    folder = Path(base) / "hotori" / "build"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
