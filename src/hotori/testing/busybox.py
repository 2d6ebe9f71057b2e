"""A base layer of one static program, so that tiny images of shell scripts run in a container engine."""

from __future__ import annotations

import subprocess
import tempfile
from functools import partial
from pathlib import Path

from hotori.images.build_cache import BuildCache
from hotori.images.descriptor import LAYER_KIND
from hotori.images.image import Layer
from hotori.images.layer import entries_of, pack

BUSYBOX = Path("/bin/busybox")
_USERS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"


def busybox_layer(cache: BuildCache) -> Layer:
    """The layer, from this machine's package `busybox-static`; every applet is a link in /bin."""
    if layer := cache.find("busybox"):
        return layer
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    with tempfile.TemporaryDirectory(prefix="hotori-busybox-") as name:
        root = Path(name)
        for folder in ("bin", "etc", "tmp"):
            (root / folder).mkdir()
        program = root / "bin/busybox"
        program.write_bytes(BUSYBOX.read_bytes())
        program.chmod(0o755)
        for applet in applets:
            if applet != "busybox":
                (root / "bin" / applet).symlink_to("busybox")
        (root / "etc/passwd").write_text(_USERS)
        packing = partial(pack, entries_of(root, "/"))
        return cache.keep("busybox", packing, annotations={LAYER_KIND: "base"})
