"""Images of an engine: fetched from a registry, looked up, and named by what they are."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from hotori.diagnosis.evidence import PullEvidence
from hotori.diagnosis.findings import findings
from hotori.model.image_reference import ImageReference
from hotori.model.manifest import RegistryCredential
from hotori.model.platform import Platform
from hotori.runtimes.engine import Engine, EngineRefusedError
from hotori.runtimes.module_runtime import Progress

_DIGEST = "Digest: "
_FETCHED = frozenset({"Verifying Checksum", "Download complete", "Pull complete", "Extracting"})


@dataclass(frozen=True, slots=True)
class EngineImage:
    """An image that the engine has. `digests` are those of the manifests it is known by, with their repositories."""

    identifier: str
    platform: Platform
    digests: tuple[tuple[str, str], ...]
    size: int
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    @classmethod
    def read(cls, document: Any) -> EngineImage:
        """From `GET /images/NAME/json`."""
        config = document.get("Config") or {}
        named = (entry.partition("@") for entry in document.get("RepoDigests") or ())
        return cls(
            identifier=_identifier(str(document["Id"])),
            platform=Platform(
                str(document.get("Architecture") or ""),
                str(document.get("Variant") or ""),
                str(document.get("Os") or "linux"),
            ),
            digests=tuple((_full(name), digest) for name, _, digest in named),
            size=int(document.get("Size") or 0),
            entrypoint=tuple(config.get("Entrypoint") or ()),
            command=tuple(config.get("Cmd") or ()),
        )

    def digest(self, reference: ImageReference, remembered: str = "") -> str:
        """The manifest's digest under this name; the remembered one where the engine knows several."""
        known = [digest for name, digest in self.digests if name == _full(f"{reference.registry}/{reference.name}")]
        if reference.digest in known or remembered in known:
            return reference.digest or remembered
        return known[0] if known else self.identifier


async def find_image(engine: Engine, reference: str) -> EngineImage | None:
    """The image of that name or id, None where the engine has none."""
    try:
        return EngineImage.read(await engine.get(f"images/{reference}/json"))
    except EngineRefusedError as error:
        if error.status == 404:
            return None
        raise


async def pull_image(
    engine: Engine, image: ImageReference, credential: RegistryCredential | None, progress: Progress | None
) -> str:
    """Fetch the image; its manifest's digest. Raises the registry's problems, with the engine's words.

    It has succeeded only when the engine named what it fetched: an older image of the same name proves nothing.
    """
    identity = await engine.identity()
    query = {"fromImage": str(image), "platform": str(identity.platform)}
    headers = {"X-Registry-Auth": _auth(credential)} if credential else {}
    told = _Told()
    try:
        async with engine.stream("POST", "images/create", query=query, headers=headers) as answer:
            async for line in answer.content:
                told.hear(json.loads(line), progress)
        digest, size = await told.fetched(engine, image)
    except EngineRefusedError as error:
        user = credential.username if credential else ""
        (problem,) = findings(PullEvidence(str(image), str(image), error.text, user, str(identity.platform)))
        raise problem from error
    if progress:
        total = told.total() or size
        progress(total, total)
    return digest


@dataclass(slots=True)
class _Told:
    """What a pull's stream has said so far: the digest, the id that came last, and bytes by layer."""

    digest: str = ""
    identifier: str = ""
    last: str = "nothing"
    layers: dict[str, tuple[int, int]] = field(default_factory=dict)

    def hear(self, line: Any, progress: Progress | None) -> None:
        if "error" in line or "errorDetail" in line:
            detail = line.get("errorDetail")
            said = detail.get("message") if isinstance(detail, dict) else None
            raise EngineRefusedError(200, str(said or line.get("error")))
        status, layer = str(line.get("status") or ""), str(line.get("id") or "")
        self.last = status or self.last
        if status.startswith(_DIGEST):
            self.digest = status.removeprefix(_DIGEST)
        elif status == "Download complete":
            self.identifier = layer
        self._count(status, layer, line.get("progressDetail") or {}, progress)

    def total(self) -> int:
        return sum(total for _, total in self.layers.values())

    async def fetched(self, engine: Engine, image: ImageReference) -> tuple[str, int]:
        """The digest and size of what came. Raises EngineRefusedError where the stream ended without naming it.

        Docker names the digest; podman ends with the first letters of the image's id.
        """
        found = await find_image(engine, str(image) if self.digest else self.identifier or "-")
        if found is None:
            raise EngineRefusedError(200, f"the pull ended without an image; its last word was: {self.last}")
        return self.digest or found.digest(image), found.size

    def _count(self, status: str, layer: str, detail: Any, progress: Progress | None) -> None:
        current, total = int(detail.get("current") or 0), int(detail.get("total") or 0)
        if status == "Downloading" and total:
            self.layers[layer] = (current, total)
        elif status in _FETCHED and layer in self.layers:
            self.layers[layer] = (self.layers[layer][1],) * 2
        else:
            return
        if progress:
            progress(sum(done for done, _ in self.layers.values()), self.total())


def _auth(credential: RegistryCredential) -> str:
    """The header `X-Registry-Auth`: base64url of JSON."""
    document = {
        "username": credential.username,
        "password": credential.password.reveal(),
        "serveraddress": credential.address,
    }
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


def _full(name: str) -> str:
    """The repository with its registry: engines leave out that of Docker Hub."""
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return name.replace("docker.io/library/", "docker.io/")
    return f"docker.io/{name}"


def _identifier(text: str) -> str:
    """Podman leaves out the algorithm."""
    return text if text.startswith("sha256:") else f"sha256:{text}"
