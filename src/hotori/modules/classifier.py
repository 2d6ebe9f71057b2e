"""The classifier module: says what is on the pictures that come in, with a model that training wrote.

    python -m hotori.modules.classifier

Environment: MODEL (/app/model.onnx), THREADS (processor cores for one prediction, 1). Input: `pictures`. Output:
`predictions`. A picture that cannot be read is logged, counted and let go: it would never become readable.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hotori.model.message import Message
from hotori.modules.picture_message import blob_name
from hotori.modules.prediction_message import prediction_message
from hotori.modules.running import log_problem, run
from hotori.modules.settings import Settings
from hotori.modules.twin_report import Counts, tell, tell_changes
from hotori.problems import Problem
from hotori.sdk.link import ConnectionOptions
from hotori.sdk.module import ModuleClient
from hotori.vision.predictor import Prediction, Predictor

_log = logging.getLogger(__name__)
_REPORT_SECONDS = 10.0
CONCURRENCY = 4
"""Pictures in hand at a time: one is looked at while the next one arrives and the prediction of the last is sent."""


class Classifier:
    """Decodes and predicts in one thread, in the order of arrival, so predictions keep that order.

    One thread, not one for each half: handing a picture over costs more processor time than overlapping the halves
    saves, on a device whose cores have other things to do.
    """

    def __init__(self, predictor: Predictor, model: str, chance: Callable[[int], bytes] = os.urandom) -> None:
        self._predictor, self._model, self._chance = predictor, model, chance
        self._working = ThreadPoolExecutor(1, "predict")
        self.counts = Counts("classified", "unreadable")

    def close(self) -> None:
        self._working.shutdown()

    async def classify(self, picture: Message) -> Message | None:
        """The prediction for a picture, as a message; None for what is no picture, which is logged and counted."""
        try:
            prediction = await self._predict(picture)
        except Problem as problem:
            log_problem(_log, problem)
            self.counts.add("unreadable")
            return None
        return prediction_message(picture, prediction, self._model, self._chance(8))

    async def _predict(self, picture: Message) -> Prediction:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._working, self._predictor.predict, picture.body, blob_name(picture))


def model_id(path: Path) -> str:
    """Which model this is: the first 12 hex digits of the file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


async def classifier(environ: Mapping[str, str]) -> None:
    """The module's work. The model is opened first: where there is none, that is said before anything else."""
    settings = Settings.of(environ)
    path = Path(settings.text("MODEL", "/app/model.onnx"))
    predictor = await asyncio.to_thread(Predictor.open, path, settings.whole("THREADS", 1, least=1))
    model = model_id(path)
    program = Classifier(predictor, model)
    options = ConnectionOptions(concurrency=CONCURRENCY)
    async with ModuleClient.from_environment(environ, options=options) as client:

        async def on_input(name: str, message: Message) -> None:
            if prediction := await program.classify(message):
                await client.send(prediction)
                program.counts.add("classified")

        client.on_input(on_input)
        try:
            await tell(client, {"model": {"id": model, **predictor.facts.summary()}})
            await tell_changes(client, lambda: {"counts": program.counts.document()}, _REPORT_SECONDS)
        finally:
            program.close()


if __name__ == "__main__":
    sys.exit(run(classifier))
