"""How the tests run everywhere."""

import os

import pytest
from hypothesis import settings

from hotori.testing.small_disk import small_disk
from tests.engine_fixtures import base, docker_engine, podman_engine, registry_address

__all__ = ["base", "docker_engine", "podman_engine", "registry_address", "small_disk"]

# The same examples in every run, so that a run says something about the change and not about luck; no deadline,
# because machines differ. `HYPOTHESIS_PROFILE=search` looks for new examples, many more of them.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("search", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


SHARED = ("browser", "installation", "trained", "docker_engine", "podman_engine", "site", "nested", "built")
"""Fixtures that take long to start: their tests come first, in this order. Those of the browser are over before an
engine begins to add addresses to the machine: a browser gives up what it is loading when addresses change.
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker runs all that shares one of these, so that it is started once."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        named = {*getattr(item, "fixturenames", ()), *map(str, parameters.params.values() if parameters else ())}
        if shared := next((name for name in SHARED if name in named), None):
            item.add_marker(pytest.mark.xdist_group(shared))
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    group = item.get_closest_marker("xdist_group")
    return SHARED.index(group.args[0]) if group else len(SHARED)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tests of one group share what must not be there twice on a machine; pytest-xdist marks them in their names."""
    if session.config.getoption("loadgroup", default=False):
        lost = [
            item.nodeid for item in session.items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid
        ]
        if lost:
            raise pytest.UsageError(f"this pytest does not see pytest-xdist's groups, as of {lost[0]}")
