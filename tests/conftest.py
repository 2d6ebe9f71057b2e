"""How the tests run everywhere."""

import os

from hypothesis import settings

from hotori.testing.small_disk import small_disk
from tests.engine_fixtures import base, docker_engine, podman_engine, registry_address

__all__ = ["base", "docker_engine", "podman_engine", "registry_address", "small_disk"]

# The same examples in every run, so that a run says something about the change and not about luck; no deadline,
# because machines differ. `HYPOTHESIS_PROFILE=search` looks for new examples, many more of them.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("search", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
