"""Images are built without an engine, the same each time, for any platform."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
from pathlib import Path

import pytest

from hotori.images.build_cache import BuildCache
from hotori.images.builder import build_image, build_images
from hotori.images.image import Image, ImageSet, Layer
from hotori.images.recipe import FolderLayer, ImageRecipe, LayerSource, PackageLayer, RequirementsLayer
from hotori.images.requirements import PYTHON, wheel_platforms
from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.testing.registry_server import write_files
from hotori.testing.wheels import lock_line, make_wheel

AMD64, ARM64 = Platform("amd64"), Platform("arm64")


@pytest.fixture
def cache(tmp_path: Path) -> BuildCache:
    return BuildCache(tmp_path / "cache")


def recipe(*layers: LayerSource, platform: Platform = AMD64) -> ImageRecipe:
    return ImageRecipe(platform, layers, ("python3", "-m", "app"), env={"B": "2", "A": "1"}, labels={"x": "y"})


def contents(layer: Layer) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(layer.path) as archive:
        return {member.name: member for member in archive}


async def test_the_same_files_give_the_same_image_whenever_and_wherever_they_are_packed(tmp_path: Path) -> None:
    files = {"main.py": "print('hello')\n", "deep/data.bin": "x" * 100_000, "run": "#!/bin/sh\n"}
    digests = set()
    for number in range(2):
        folder = write_files(tmp_path / f"source-{number}", files)
        os.utime(folder / "main.py", (number * 1e9, number * 1e9))
        (folder / "main.py").chmod(0o600 if number else 0o664)
        image = await build_image(recipe(FolderLayer(folder)), BuildCache(tmp_path / f"cache-{number}"))
        assert isinstance(image, Image)
        digests.add(image.descriptor.digest)
    assert len(digests) == 1


async def test_a_layer_says_nothing_of_who_packed_it(tmp_path: Path, cache: BuildCache) -> None:
    folder = write_files(tmp_path / "source", {"b": "1", "a/run": "#!/bin/sh\n"})
    (folder / "link").symlink_to("b")
    write_files(folder, {".git/config": "secret", "a/__pycache__/x.pyc": "x", ".env": "PASSWORD=1"})
    image = await build_image(recipe(FolderLayer(folder, "/opt/app")), cache)
    members = contents(image.layers[0])
    assert list(members) == ["opt", "opt/app", "opt/app/a", "opt/app/a/run", "opt/app/b", "opt/app/link"]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members.values()} == {(0, 0, 0, "", "")}
    assert [oct(members[f"opt/app/{name}"].mode) for name in ("a/run", "b")] == ["0o755", "0o644"]
    assert members["opt/app/link"].linkname == "b"


async def test_the_configuration_says_how_to_run_it(tmp_path: Path, cache: BuildCache) -> None:
    folder = write_files(tmp_path / "source", {"main.py": ""})
    image = await build_image(recipe(FolderLayer(folder), platform=Platform("arm", "v7")), cache)
    document = json.loads(image.config)
    assert (document["architecture"], document["variant"], document["os"]) == ("arm", "v7", "linux")
    assert document["config"] == {
        "Entrypoint": ["python3", "-m", "app"],
        "Cmd": [],
        "Env": ["A=1", "B=2"],
        "WorkingDir": "/app",
        "Labels": {"x": "y"},
    }
    assert document["rootfs"]["diff_ids"] == [image.layers[0].diff_id]


async def test_a_layer_whose_sources_did_not_change_is_not_packed_again(tmp_path: Path, cache: BuildCache) -> None:
    folder = write_files(tmp_path / "source", {"main.py": "1"})
    said: list[str] = []
    for content in ("1", "1", "2"):
        write_files(folder, {"main.py": content})
        await build_image(recipe(FolderLayer(folder)), cache, said.append)
        said.append("-")
    assert said == ["packing /app", "-", "-", "packing /app", "-"]


async def test_packages_of_a_lock_are_installed_without_what_differs_between_machines(
    tmp_path: Path, cache: BuildCache
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(lock_line(make_wheel(tmp_path)))
    said: list[str] = []
    image = await build_image(recipe(RequirementsLayer(lock)), cache, said.append)
    names = contents(image.layers[0])
    assert "packages/tiny/__init__.py" in names
    assert not [name for name in names if "/bin/" in name or "__pycache__" in name or "direct_url" in name]
    assert any("tiny" in line for line in said)
    assert "org.hotori.python" not in json.loads(image.config)["config"]["Labels"]
    again = await build_image(recipe(RequirementsLayer(lock)), cache, said.append)
    assert again == image
    other = await build_image(recipe(RequirementsLayer(lock)), BuildCache(tmp_path / "other cache"))
    assert other.descriptor.digest == image.descriptor.digest


async def test_compiled_packages_are_taken_for_the_platform_of_the_image(tmp_path: Path, cache: BuildCache) -> None:
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    files = {f"fast/_fast.{python.replace('cp', 'cpython-')}-aarch64-linux-gnu.so": "not really"}
    wheel = make_wheel(tmp_path, "fast", f"{python}-{python}-manylinux_2_28_aarch64", files)
    lock = tmp_path / "requirements.lock"
    lock.write_text(lock_line(wheel))
    image = await build_image(recipe(RequirementsLayer(lock), platform=ARM64), cache)
    assert json.loads(image.config)["config"]["Labels"]["org.hotori.python"] == PYTHON
    with pytest.raises(Problem) as caught:
        await build_image(recipe(RequirementsLayer(lock)), cache)
    assert caught.value.code == "requirements-refused"
    assert "not a supported wheel" in caught.value.values["reason"]


async def test_a_package_that_is_not_what_the_lock_says_is_refused(tmp_path: Path, cache: BuildCache) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(lock_line(make_wheel(tmp_path), "0" * 64))
    with pytest.raises(Problem) as caught:
        await build_image(recipe(RequirementsLayer(lock)), cache)
    assert caught.value.code == "requirements-refused"
    assert any("Expected sha256 " + "0" * 64 in line for line in caught.value.evidence)


async def test_parts_of_an_installed_package_become_a_layer(cache: BuildCache) -> None:
    source = PackageLayer("hotori", ("problems", "model.json"))
    image = await build_image(recipe(source), cache)
    names = set(contents(image.layers[0]))
    assert {"packages/hotori/__init__.py", "packages/hotori/problems/kind.py", "packages/hotori/model/json.py"} <= names
    assert "packages/hotori/model/__init__.py" in names
    assert not [name for name in names if name.startswith(("packages/hotori/hub", "packages/hotori/model/twin"))]


@pytest.mark.parametrize(
    "source",
    [
        FolderLayer(Path("/no/such/folder")),
        RequirementsLayer(Path("/no/such/lock")),
        PackageLayer("hotori", ("no_such_part",)),
        PackageLayer("no_such_package", ("x",)),
    ],
)
async def test_a_source_that_is_not_there_is_named(cache: BuildCache, source: LayerSource) -> None:
    with pytest.raises(Problem) as caught:
        await build_image(recipe(source), cache)
    assert caught.value.code == "file-unreadable"


async def test_several_recipes_become_one_image_with_an_index(tmp_path: Path, cache: BuildCache) -> None:
    folder = write_files(tmp_path / "source", {"main.py": ""})
    both = await build_images([recipe(FolderLayer(folder), platform=one) for one in (AMD64, ARM64)], cache)
    assert isinstance(both, ImageSet)
    platforms = [entry["platform"]["architecture"] for entry in json.loads(both.manifest)["manifests"]]
    assert platforms == ["amd64", "arm64"]
    assert both.images[0].layers == both.images[1].layers


def test_every_tag_of_wheels_is_asked_for_because_none_is_implied() -> None:
    tags = wheel_platforms(ARM64)
    assert tags[0] == "manylinux_2_36_aarch64"
    assert {"manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64"} <= set(tags)
    assert {"manylinux2010_x86_64", "manylinux1_x86_64", "manylinux_2_5_x86_64"} <= set(wheel_platforms(AMD64))
    assert "manylinux2014_armv7l" in wheel_platforms(Platform("arm", "v7"))


async def test_a_layer_is_a_plain_gzip_of_a_tar_that_any_tool_reads(tmp_path: Path, cache: BuildCache) -> None:
    folder = write_files(tmp_path / "source", {"main.py": "print()"})
    image = await build_image(recipe(FolderLayer(folder)), cache)
    packed = image.layers[0].path.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        file = archive.extractfile("app/main.py")
        assert file is not None
        assert file.read() == b"print()"
    # RFC 1952: no time, no name.
    assert packed[3:8] == b"\0" * 5
