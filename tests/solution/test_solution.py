"""Solutions are read from folders, and faults in them are named."""

import json

import pytest

from hotori.problems import Problem
from hotori.solution.solution import Solution


def write_solution(folder, module=None):
    """A solution with one module, as a developer has it on disk."""
    image = {"repository": "$REGISTRY/Camera", "tag": {"version": "0.1.0", "platforms": {"amd64": "./image.json"}}}
    (folder / "modules" / "camera").mkdir(parents=True)
    (folder / "modules" / "camera" / "module.json").write_text(json.dumps(module or {"image": image}))
    (folder / "deployment.template.json").write_text(json.dumps({"modulesContent": {}}))
    (folder / ".env").write_text("REGISTRY=127.0.0.1:5000\n")
    return folder


def test_a_solution_has_its_modules_and_its_environment(tmp_path):
    solution = Solution.open(write_solution(tmp_path))
    assert [module.name for module in solution.modules] == ["camera"]
    assert solution.environment == {"REGISTRY": "127.0.0.1:5000"}


def test_an_image_is_named_in_lower_case_with_version_and_platform(tmp_path):
    solution = Solution.open(write_solution(tmp_path))
    assert solution.modules[0].reference("amd64", solution.environment) == "127.0.0.1:5000/camera:0.1.0-amd64"


def test_a_folder_without_a_template_is_no_solution(tmp_path):
    with pytest.raises(Problem) as met:
        Solution.open(tmp_path)
    assert met.value.code == "no-solution"


def test_a_module_file_without_a_repository_is_named_with_the_place(tmp_path):
    write_solution(tmp_path, module={"image": {"tag": {"version": "1", "platforms": {}}}})
    with pytest.raises(Problem) as met:
        Solution.open(tmp_path)
    assert met.value.code == "module-file-invalid"
    assert "repository" in met.value.cause()


def test_a_platform_without_a_build_file_is_refused_naming_those_there_are(tmp_path):
    module = Solution.open(write_solution(tmp_path)).modules[0]
    with pytest.raises(Problem) as met:
        module.build_file("arm64v8")
    assert "amd64" in met.value.cause()
