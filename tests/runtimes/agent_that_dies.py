"""An agent that starts one module and then waits to be killed: FOLDER-OF-RUNTIME FOLDER-OF-IMAGES IMAGE."""

import asyncio
import sys
from pathlib import Path

from hotori.images.image_store import ImageStore
from hotori.model.image_reference import ImageReference
from hotori.runtimes.module_runtime import ModuleLaunch
from hotori.runtimes.process import ProcessRuntime
from hotori.testing.runtime_suite import until_logged


async def main(folder: Path, images: Path, image: str) -> None:
    runtime = ProcessRuntime(folder, ImageStore(images))
    reference = ImageReference.parse(image)
    await runtime.pull(reference, None)
    await runtime.create(ModuleLaunch("tiny", reference, {}))
    await runtime.start("tiny")
    await until_logged(runtime, "tiny", b"ready\n")
    print("module runs", flush=True)
    await asyncio.sleep(3600)


asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
