"""`hotori up`: all of it, on this machine."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from hotori.cli.context import remember, state_folder
from hotori.cli.options import answers, run
from hotori.cli.serving import until_asked_to_stop
from hotori.cli.terminal import Terminal
from hotori.cli.together import CLOUD_ADDRESS, EDGE_ADDRESS, together
from hotori.problems import Problem, Words
from hotori.problems.solution import PROGRAM_ENDED
from hotori.sdk.program import Program

_READY = Words(
    "A cloud and the edge device {device} are running. Ctrl-C ends both.\n"
    "  portal   {portal}   user {user}, password {password}\n  try      hotori monitor",
    "クラウドとエッジデバイス {device} が動いています。Ctrl-C で終了します。\n"
    "  ポータル {portal}   ユーザー {user}、パスワード {password}\n  試す     hotori monitor",
)


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Where all is kept; else your own data folder."
)
@click.option("--device", default="edge-1", show_default=True, help="The device's name.")
@click.option("--cloud-address", default=CLOUD_ADDRESS, show_default=True)
@click.option("--edge-address", default=EDGE_ADDRESS, show_default=True)
@answers
def up(terminal: Terminal, data: Path | None, device: str, cloud_address: str, edge_address: str) -> None:
    """Run a cloud and one edge device together on this machine, until Ctrl-C.

    \b
    Example:  hotori up
              hotori deploy examples/main-job --device edge-1
    """
    folder = (data or state_folder(os.environ)).resolve()

    async def work(stop: asyncio.Event) -> None:
        async with together(folder, device, cloud_address, edge_address) as both:
            remember(both.cloud_program.connect_file)
            cloud = both.cloud
            terminal.result(
                {"ready": True, "connect": str(both.cloud_program.connect_file), "portal": cloud.portal_url},
                _READY,
                device=device,
                portal=cloud.portal_url,
                user=cloud.portal_username,
                password=cloud.portal_password.reveal(),
            )
            await _until_one_ends(stop, both.cloud_program, both.edge_program)

    run(until_asked_to_stop(work))


async def _until_one_ends(stop: asyncio.Event, *programs: Program) -> None:
    """Wait for the wish to stop. Raises `program-ended` where a program ends before it."""
    asked = asyncio.create_task(stop.wait())
    while not asked.done():
        for program in programs:
            if (status := program.status()) is not None:
                raise Problem(PROGRAM_ENDED, program=program.folder.name, status=status, log=program.log)
        await asyncio.wait([asked], timeout=0.5)
