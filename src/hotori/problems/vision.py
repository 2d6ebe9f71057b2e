"""Problems of pictures and models."""

from hotori.problems.kind import Kind

KINDS: tuple[Kind, ...] = ()
