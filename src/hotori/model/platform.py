"""The kind of machine that an image is made for."""

from __future__ import annotations

from dataclasses import dataclass

from hotori.model.json import Json

_ALIASES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "arm64v8": ("arm64", ""),
    "armv7l": ("arm", "v7"),
    "arm32v7": ("arm", "v7"),
    "armhf": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "arm32v6": ("arm", "v6"),
}
_USUAL_VARIANTS = {"arm64": "v8", "arm": "v7"}


@dataclass(frozen=True, slots=True)
class Platform:
    """Operating system, architecture and variant in the words of OCI images: linux, arm64, arm/v7."""

    architecture: str
    variant: str = ""
    os: str = "linux"

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read `amd64`, `linux/arm/v7`, or what the kernel (`aarch64`) and deployment tools (`arm32v7`) say."""
        parts = text.strip().lower().split("/")
        os = parts.pop(0) if len(parts) > 1 and parts[0] in ("linux", "windows", "darwin") else "linux"
        architecture, variant = _ALIASES.get(parts[0], (parts[0], ""))
        return cls(architecture, parts[1] if len(parts) > 1 else variant, os)

    @classmethod
    def of(cls, document: dict[str, Json]) -> Platform:
        """The platform that an image's configuration or an entry of an index names."""
        return cls(
            architecture=str(document.get("architecture") or ""),
            variant=str(document.get("variant") or ""),
            os=str(document.get("os") or "linux"),
        )

    def runs(self, image: Platform) -> bool:
        """Whether a machine of this platform runs programs made for `image`. An unknown variant is the usual one."""
        if (self.os, self.architecture) != (image.os, image.architecture):
            return False
        usual = _USUAL_VARIANTS.get(self.architecture, "")
        return (image.variant or usual) <= (self.variant or usual)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)
