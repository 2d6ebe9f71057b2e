"""The main job from beginning to end: train, start, deploy, watch, judge."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from hotori.cli.demo_view import summary, view
from hotori.cli.deploy import deploy_solution
from hotori.cli.device import service_client
from hotori.cli.score import Score, Sighting
from hotori.cli.terminal import Terminal
from hotori.cli.together import Together, together
from hotori.model.connection_string import StorageConnection
from hotori.problems import Words
from hotori.sdk.connection_file import CloudConnection
from hotori.sdk.storage import StorageClient
from hotori.store.own_folder import make_anew

CONTAINER = "pictures"
_STEPS = {
    "train": Words("training a classifier …", "分類器を学習しています…"),
    "trained": Words(
        "trained on {trained} photographs; {accuracy} right of {held_out} that it had not seen",
        "写真 {trained} 枚で学習しました。見せていない {held_out} 枚での正解率は {accuracy} です",
    ),
    "start": Words(
        "starting a cloud and the edge device {device} …", "クラウドとエッジデバイス {device} を起動しています…"
    ),
    "deploy": Words("building images and deploying …", "イメージを作って配備しています…"),
    "portal": Words(
        "portal: {url}   user {user}, password {password}", "ポータル: {url}   ユーザー {user}、パスワード {password}"
    ),
    "short": Words(
        "Only {complete} of {wanted} pictures with predictions arrived in time. The modules' logs: {log}",
        "時間内に届いた写真と判定の組は {wanted} 件中 {complete} 件でした。モジュールのログ: {log}",
    ),
}


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What the demo was asked to do. `pictures` None goes on until Ctrl-C; times in seconds."""

    examples: Path
    data: Path
    camera: str | None
    pictures: int | None
    interval: float
    within: float
    cloud_address: str
    edge_address: str


async def run_demo(terminal: Terminal, plan: DemoPlan) -> int:
    """Do it all; the exit status: 0 only if what was asked for is in the cloud."""
    make_anew(plan.data)
    model, shown = await asyncio.to_thread(_train, terminal, plan)
    terminal.note(_STEPS["start"], device="edge-1")
    async with together(plan.data, cloud_address=plan.cloud_address, edge_address=plan.edge_address) as running:
        terminal.note(_STEPS["deploy"])
        variables = {
            "MODEL": str(model),
            "PICTURES": str(shown),
            "CAMERA": plan.camera or "/app/pictures",
            "INTERVAL": str(plan.interval),
        }
        await deploy_solution(terminal, running.cloud, plan.examples / "main-job", running.device, variables)
        return await _watch(terminal, plan, running)


def _train(terminal: Terminal, plan: DemoPlan) -> tuple[Path, Path]:
    """The model, and the folder of pictures that it has not seen and will be shown."""
    from hotori.vision.training import train

    terminal.note(_STEPS["train"])
    model = plan.data / "model.onnx"
    report = train(plan.examples / "pictures", model, held_out=0.5, seed=1)
    terminal.note(
        _STEPS["trained"], trained=report.trained, held_out=report.held_out, accuracy=f"{report.accuracy:.1%}"
    )
    shown = plan.data / "shown"
    for name in report.held_out_pictures:
        (shown / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(plan.examples / "pictures" / name, shown / name)
    return model, shown


class _Watch:
    """The score as it grows, from the cloud's event stream and its object store."""

    def __init__(self, cloud: CloudConnection) -> None:
        self.score = Score.empty()
        self._cloud = cloud
        self._news = asyncio.Event()

    async def predictions(self) -> None:
        async with service_client(self._cloud) as client:
            async for event in client.events("earliest"):
                if sighting := Sighting.from_event(event):
                    self.score = self.score.with_sighting(sighting)
                    self._news.set()

    async def pictures(self) -> None:
        async with StorageClient(StorageConnection.parse(self._cloud.storage.reveal())) as storage:
            await storage.create_container(CONTAINER)
            while True:
                names = [blob.name async for blob in storage.list(CONTAINER)]
                if set(names) - self.score.stored:
                    self.score = self.score.with_stored(names)
                    self._news.set()
                await asyncio.sleep(0.5)

    async def until(self, enough: Callable[[Score], bool], show: Callable[[Score], None]) -> None:
        while not enough(self.score):
            await self._news.wait()
            self._news.clear()
            show(self.score)


@asynccontextmanager
async def _watching(cloud: CloudConnection) -> AsyncIterator[_Watch]:
    """A watch whose two readers run while the block does; a fault of theirs is the block's."""
    watch = _Watch(cloud)
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(watch.predictions()), group.create_task(watch.pictures())]
        try:
            yield watch
        finally:
            for reader in readers:
                reader.cancel()


async def _watch(terminal: Terminal, plan: DemoPlan, running: Together) -> int:
    cloud = running.cloud
    footer = terminal.say(
        _STEPS["portal"], url=cloud.portal_url, user=cloud.portal_username, password=cloud.portal_password.reveal()
    )
    wanted = plan.pictures
    started = time.monotonic()
    async with _watching(cloud) as watch:
        with Live(console=Console(stderr=True, highlight=False), auto_refresh=False) as live:
            live.update(view(terminal, watch.score, footer), refresh=True)
            with suppress(TimeoutError), _until_ctrl_c(ends_well=wanted is None):
                async with asyncio.timeout(plan.within if wanted else None):
                    await watch.until(
                        lambda score: wanted is not None and score.complete >= wanted,
                        lambda score: live.update(view(terminal, score, footer), refresh=True),
                    )
    return _judge(terminal, watch.score, wanted, running, time.monotonic() - started)


@contextmanager
def _until_ctrl_c(*, ends_well: bool) -> Iterator[None]:
    """Where the demo goes on until Ctrl-C, that is its good end: the figures are still to be told."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not ends_well or task is None:
            raise
        task.uncancel()


def _judge(terminal: Terminal, score: Score, wanted: int | None, running: Together, seconds: float) -> int:
    terminal.result(
        score.document() | {"seconds": round(seconds, 1)}, Words("{line}", "{line}"), line=summary(terminal, score)
    )
    if wanted is not None and score.complete < wanted:
        log = running.edge_program.log
        terminal.note(_STEPS["short"], complete=score.complete, wanted=wanted, log=log)
        return 1
    return 0
