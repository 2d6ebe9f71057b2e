"""Builds OCI images without an engine: the same recipe and the same files give the same digest.

Packing and hashing run in a thread, pip in a process of its own; what was built once is taken from the cache.
The builder will not run anything from the image, so it builds for any platform on any other.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hotori.images.build_cache import FORMAT, BuildCache
from hotori.images.descriptor import canonical, platform_document
from hotori.images.image import Image, ImageSet, Layer
from hotori.images.layer import Entry, entries_of, fingerprint, pack
from hotori.images.recipe import FolderLayer, ImageRecipe, LayerSource, PackageLayer, RequirementsLayer
from hotori.images.requirements import PYTHON, has_compiled, install
from hotori.model.json import JsonObject
from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.problems.storage import FILE_UNREADABLE
from hotori.runtimes.local_image import PYTHON_LABEL

Say = Callable[[str], None]
"""Hears one line about what is being done."""


async def build_image(recipe: ImageRecipe, cache: BuildCache, say: Say = lambda line: None) -> Image:
    """Build one image. Raises `file-unreadable` and `requirements-refused`."""
    layers = [recipe.base] if recipe.base else []
    for source in recipe.layers:
        layers.append(await build_layer(source, recipe.platform, cache, say))
    return Image(recipe.platform, canonical(_config(recipe, layers)), tuple(layers))


async def build_images(recipes: list[ImageRecipe], cache: BuildCache, say: Say = lambda line: None) -> Image | ImageSet:
    """Build an image for each recipe's platform, as one image where there is one recipe, else as a set."""
    images = tuple([await build_image(recipe, cache, say) for recipe in recipes])
    return images[0] if len(images) == 1 else ImageSet(images)


async def build_layer(source: LayerSource, platform: Platform, cache: BuildCache, say: Say) -> Layer:
    """One layer, from the cache where its sources did not change."""
    if isinstance(source, RequirementsLayer):
        return await _requirements_layer(source, platform, cache, say)
    if isinstance(source, PackageLayer):
        entries = await asyncio.to_thread(_package_entries, source)
    else:
        entries = await asyncio.to_thread(_folder_entries, source)
    return await asyncio.to_thread(_pack, entries, cache, say, source.target)


def _pack(entries: list[Entry], cache: BuildCache, say: Say, target: str) -> Layer:
    key = _key("files", fingerprint(entries))
    if layer := cache.find(key):
        return layer
    say(f"packing {target}")
    return cache.keep(key, partial(pack, entries))


async def _requirements_layer(source: RequirementsLayer, platform: Platform, cache: BuildCache, say: Say) -> Layer:
    content = await asyncio.to_thread(_read, source.lock)
    key = _key("requirements", hashlib.sha256(content).hexdigest(), str(platform), PYTHON, source.target)
    if layer := await asyncio.to_thread(cache.find, key):
        return layer
    with tempfile.TemporaryDirectory(prefix="hotori-build-") as name:
        folder = Path(name) / "packages"
        say(f"installing the packages of {source.lock.name} for {platform}")
        await install(source.lock, platform, folder, say, source.wheels)
        say(f"packing {source.target}")
        return await asyncio.to_thread(_keep_packages, cache, key, folder, source.target)


def _keep_packages(cache: BuildCache, key: str, folder: Path, target: str) -> Layer:
    folder.mkdir(exist_ok=True)
    python = PYTHON if has_compiled(folder) else ""
    return cache.keep(key, partial(pack, entries_of(folder, target)), python)


def _folder_entries(source: FolderLayer) -> list[Entry]:
    if source.source.is_file():
        return [Entry(source.source, source.target.strip("/"))]
    if not source.source.is_dir():
        raise Problem(FILE_UNREADABLE, path=source.source, reason="there is no such file or folder")
    return entries_of(source.source, source.target, source.without)


def _package_entries(source: PackageLayer) -> list[Entry]:
    """The parts that were asked for, and the `__init__.py` of every package above them."""
    spec = importlib.util.find_spec(source.package)
    if spec is None or spec.origin is None:
        raise Problem(FILE_UNREADABLE, path=source.package, reason="there is no such Python package")
    root = Path(spec.origin).parent
    target = f"{source.target.strip('/')}/{source.package}"
    entries = {entry.name: entry for part in source.parts for entry in _part_entries(root, part, target)}
    for file in ("__init__.py", "py.typed"):
        if (root / file).exists():
            entries[f"{target}/{file}"] = Entry(root / file, f"{target}/{file}")
    return [entries[name] for name in sorted(entries)]


def _part_entries(root: Path, part: str, target: str) -> list[Entry]:
    *above, _ = names = part.split(".")
    found = [Entry(root / file, f"{target}/{file}") for file in _init_files(root, above)]
    path = "/".join(names)
    if (root / path).is_dir():
        return [*found, *entries_of(root / path, f"{target}/{path}", ("__pycache__",))]
    if (root / f"{path}.py").is_file():
        return [*found, Entry(root / f"{path}.py", f"{target}/{path}.py")]
    raise Problem(FILE_UNREADABLE, path=root / path, reason="the package has no such part")


def _init_files(root: Path, names: list[str]) -> list[str]:
    folders = ("/".join(names[: depth + 1]) for depth in range(len(names)))
    return [f"{folder}/__init__.py" for folder in folders if (root / folder / "__init__.py").exists()]


def _config(recipe: ImageRecipe, layers: list[Layer]) -> JsonObject:
    labels = dict(recipe.labels)
    if any(layer.python for layer in layers):
        labels[PYTHON_LABEL] = PYTHON
    config: JsonObject = {
        "Env": [f"{name}={value}" for name, value in sorted(recipe.env.items())],
        "Entrypoint": list(recipe.entrypoint),
        "Cmd": list(recipe.command),
        "WorkingDir": recipe.working_dir,
        "Labels": dict(sorted(labels.items())),
    }
    return {
        **platform_document(recipe.platform),
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join((FORMAT, *parts)).encode()).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Problem(FILE_UNREADABLE, str(error), path=path, reason=error.strerror or "unknown") from error
