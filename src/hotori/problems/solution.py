"""Problems of solutions on the developer's machine."""

from hotori.problems.kind import Kind

KINDS: tuple[Kind, ...] = ()
