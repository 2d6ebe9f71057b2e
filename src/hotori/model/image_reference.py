"""Image references: `registry.example:5000/team/camera:1.2` or `…@sha256:…`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from hotori.problems import Problem
from hotori.problems.images import IMAGE_REFERENCE_INVALID

_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


@dataclass(frozen=True, slots=True)
class ImageReference:
    """Where an image is and which one: exactly one of `tag` and `digest` is set."""

    registry: str
    name: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Read a reference with a registry; without tag or digest it means `:latest`.

        A reference with both tag and digest is refused, as the device's agent refuses it (IOT contract, 3.2).
        """
        text = text.strip()
        registry, slash, rest = text.partition("/")
        if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
            raise Problem(IMAGE_REFERENCE_INVALID, reference=text, reason="it names no registry")
        rest, at, digest = rest.partition("@")
        name, colon, tag = rest.partition(":")
        _check(text, _NAME, name, "the name has characters other than lower-case letters, digits and . _ - /")
        if at:
            if colon:
                raise Problem(IMAGE_REFERENCE_INVALID, reference=text, reason="it has both a tag and a digest")
            _check(text, _DIGEST, digest, "the digest is not sha256: and 64 hex digits")
            return cls(registry, name, digest=digest)
        _check(text, _TAG, tag if colon else "latest", "the tag is not valid")
        return cls(registry, name, tag=tag if colon else "latest")

    @property
    def selector(self) -> str:
        """The tag or digest, as the registry's URLs take it."""
        return self.digest or self.tag or "latest"

    def pinned(self, digest: str) -> ImageReference:
        """The same image, named by what it is instead of by a tag that can move."""
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}" + (f"@{self.digest}" if self.digest else f":{self.tag}")


def _check(text: str, pattern: re.Pattern[str], part: str, reason: str) -> None:
    if not pattern.fullmatch(part):
        raise Problem(IMAGE_REFERENCE_INVALID, reference=text, reason=reason)
