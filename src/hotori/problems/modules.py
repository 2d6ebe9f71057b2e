"""Problems of modules that run on a device."""

from hotori.problems.kind import Kind

KINDS: tuple[Kind, ...] = ()
