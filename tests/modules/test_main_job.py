"""The example's solution holds together: manifest, images, lock files and what the modules import."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from hotori.model.identity import Identity
from hotori.model.image_reference import ImageReference
from hotori.model.manifest import HubConfig, Manifest
from hotori.model.message import Message
from hotori.model.platform import Platform
from hotori.routing.router import Endpoint, ModuleInput, Router, Upstream, message_source
from hotori.solution.build_file import BuildFile, read_recipe
from hotori.solution.deployment import filled_manifest
from hotori.solution.solution import Solution, read_file

ROOT = Path(__file__).resolve().parents[2]
SOLUTION = ROOT / "examples" / "main-job"
MODULES = ("camera", "classifier", "uploader")
OF_HTTPX_COMMAND = {"click", "rich", "pygments", "markdown-it-py", "mdurl"}
"""What httpx imports where it is there, and does without where it is not."""

CLOUD = {
    "CONTAINER_REGISTRY_SERVER": "127.0.0.1:5000",
    "CONTAINER_REGISTRY_USERNAME": "hotori",
    "CONTAINER_REGISTRY_PASSWORD": "secret",
    "STORAGE_CONNECTION_STRING": "AccountName=hotori;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:10000/hotori",
}


def test_the_manifest_is_complete_with_what_the_cloud_and_the_env_file_give() -> None:
    solution = Solution.open(SOLUTION)
    image = ImageReference("127.0.0.1:5000", "image", digest="sha256:" + 64 * "0")
    images = {module.name: image for module in solution.modules}
    manifest = Manifest.parse(filled_manifest(solution, images, {**CLOUD, **solution.environment}))
    assert set(manifest.agent.modules) == set(images) == set(MODULES)
    assert manifest.agent.modules["camera"].env == {"CAMERA": "/app/pictures", "INTERVAL": "1"}


def endpoints_of(message: Message) -> set[Endpoint]:
    """Where the solution's routes send a message."""
    template = json.loads((SOLUTION / "deployment.template.json").read_text())
    desired = template["modulesContent"]["$edgeHub"]["properties.desired"]
    router = Router.compile(HubConfig.parse(desired))
    return {destination.endpoint for destination in router.route(message, message_source(message))}


def test_pictures_go_to_classifier_and_uploader_and_predictions_to_the_cloud() -> None:
    picture = Message(b"", sender=Identity("edge-1", "camera"), output="pictures")
    prediction = Message(b"", sender=Identity("edge-1", "classifier"), output="predictions")
    assert endpoints_of(picture) == {ModuleInput("classifier", "pictures"), ModuleInput("uploader", "pictures")}
    assert endpoints_of(prediction) == {Upstream()}


def test_what_a_device_behind_the_edge_device_says_goes_to_the_cloud() -> None:
    assert endpoints_of(Message(b"", sender=Identity("leaf-1"))) == {Upstream()}


@pytest.mark.parametrize("platform", ["amd64", "arm64v8"])
def test_every_module_has_a_recipe_for_every_platform(platform: str) -> None:
    solution = Solution.open(SOLUTION)
    for module in solution.modules:
        recipe = read_recipe(module.build_file(platform), Platform.parse(platform), solution.environment)
        assert recipe.entrypoint == ("python3", "-m", f"hotori.modules.{module.name}")
        assert all(layer.lock.is_file() for layer in recipe.layers if hasattr(layer, "lock"))


def test_the_lock_files_are_as_their_tool_writes_them() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "module-locks", "--check"], check=False)
    assert done.returncode == 0


def test_every_package_in_a_lock_file_has_hashes_and_no_word_of_where_it_comes_from() -> None:
    for lock in (SOLUTION / "requirements").glob("*.lock"):
        text = lock.read_text()
        entries = re.split(r"\n(?=\S)", text.strip())
        assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
        assert "://" not in text


def imported_by(module: str) -> set[str]:
    script = (
        f"import sys; before = set(sys.modules); import hotori.modules.{module}; print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def locked(build: BuildFile, folder: Path) -> set[str]:
    assert build.python is not None
    text = "\n".join((folder / lock).read_text() for lock in build.python.requirements)
    return {match[1] for match in re.finditer(r"^([a-z0-9-]+)==", text, re.MULTILINE)}


@pytest.mark.parametrize("module", MODULES)
def test_an_image_holds_everything_that_its_module_imports(module: str) -> None:
    folder = SOLUTION / "modules" / module
    build = read_file(folder / "image.json", BuildFile)
    assert build.python is not None
    names = imported_by(module)
    parts = [f"hotori.{part}" for part in build.python.hotori]
    ours = {name for name in names if name.startswith("hotori.")}
    above = {part.rpartition(".")[0] for part in parts}
    missing = {name for name in ours - above if not any(name == part or name.startswith(f"{part}.") for part in parts)}
    assert not missing
    distributions = packages_distributions()
    used = {
        owner.lower().replace("_", "-") for name in names for owner in distributions.get(name.partition(".")[0], [])
    }
    assert used - locked(build, folder) <= OF_HTTPX_COMMAND | {"hotori"}
