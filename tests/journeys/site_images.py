"""Run in the cloud's network of a site.

`python site_images.py publish CLOUD FOLDER` fills the cloud's registry, `move` gives its tag `moving:1.0` to another
image, `serve` runs two more registries at ADDRESS until it is ended: an open one, and one that wants a password.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from pathlib import Path

from hotori.images.build_cache import BuildCache
from hotori.images.image_files import ImageFiles
from hotori.images.registry import registry_app
from hotori.model.manifest import RegistryCredential
from hotori.model.platform import Platform
from hotori.model.secret import Secret
from hotori.net.authority import Authority
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.sdk.connection_file import CloudConnection
from hotori.testing.busybox import busybox_layer
from hotori.testing.registry_server import TinyImages
from hotori.testing.runtime_suite import WAITS

OPEN_PORT, LOCKED_PORT = 5001, 5002
PASSWORD = "of the site"
LARGE = 60_000_000
"""Bytes that the image `large` takes once it is unpacked; packed it takes a thousandth of that."""
ARM64 = Platform("arm64")


def arm64_program() -> bytes:
    """The head of an ELF file for another processor: what the kernel looks at before it refuses."""
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    return ident + struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0) + bytes(64)


def images_of(cloud: Path, folder: Path) -> TinyImages:
    connection = CloudConnection.read(cloud / "connect.json")
    credential = RegistryCredential(
        connection.registry_address, connection.registry_username, connection.registry_password
    )
    base = busybox_layer(BuildCache(folder / "busybox"))
    return TinyImages(connection.registry_address, folder / "sources", credential, base, connection.ca)


async def publish(cloud: Path, folder: Path) -> None:
    images = images_of(cloud, folder)
    await images.script(WAITS, name="steady")
    await images.script(WAITS, name="moving")
    await images.script(WAITS, name="foreign", platform=ARM64)
    await images.script(WAITS, name="large", more={"zeros": bytes(LARGE)})
    await images.publish({"main": arm64_program()}, name="mislabelled", entrypoint=("/app/main",))


async def move(cloud: Path, folder: Path) -> None:
    await images_of(cloud, folder).script(f"echo newer\n{WAITS}", name="moving")


async def serve(address: str, folder: Path) -> None:
    base = busybox_layer(BuildCache(folder / "busybox"))
    authority = Authority.open(folder / "authority")
    certificate = authority.issue_server((address,))
    free = registry_app(ImageFiles(folder / "open"), None)
    locked = registry_app(ImageFiles(folder / "locked"), {"user": Secret(PASSWORD)})
    async with (
        HttpServer(free, bind(address, OPEN_PORT, "registry"), certificate),
        HttpServer(locked, bind(address, LOCKED_PORT, "registry"), certificate),
    ):
        images = TinyImages(f"{address}:{OPEN_PORT}", folder / "sources", base=base, ca=authority.certificate)
        await images.script(WAITS, name="shelf")
        print(json.dumps({"ready": True}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    _, action, where, target = sys.argv
    if action == "serve":
        asyncio.run(serve(where, Path(target)))
    else:
        asyncio.run({"publish": publish, "move": move}[action](Path(where), Path(target)))
