"""`hotori demo`: the main job, before your eyes."""

from __future__ import annotations

from pathlib import Path

import click

from hotori.cli.demo_run import DemoPlan, run_demo
from hotori.cli.options import answers, run
from hotori.cli.terminal import Terminal
from hotori.cli.together import CLOUD_ADDRESS, EDGE_ADDRESS


@click.command()
@click.option(
    "--pictures", type=click.IntRange(1), help="End after so many; exit status 0 only if all are in the cloud."
)
@click.option(
    "--camera", help="/dev/video0, an RTSP address, a video file or a folder; else photographs of the examples."
)
@click.option("--examples", type=click.Path(path_type=Path, file_okay=False), default="examples", show_default=True)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default="build/demo", show_default=True)
@click.option(
    "--interval", type=click.FloatRange(0.0), default=0.5, show_default=True, help="Seconds between pictures."
)
@click.option(
    "--within", type=click.FloatRange(1.0), default=300.0, show_default=True, help="With --pictures: seconds to wait."
)
@click.option("--cloud-address", default=CLOUD_ADDRESS, show_default=True, help="The loopback address of the cloud.")
@click.option("--edge-address", default=EDGE_ADDRESS, show_default=True, help="The loopback address of the device.")
@answers
def demo(
    terminal: Terminal,
    pictures: int | None,
    camera: str | None,
    examples: Path,
    data: Path,
    interval: float,
    within: float,
    cloud_address: str,
    edge_address: str,
) -> int:
    """Train a classifier, start a cloud and an edge device, deploy camera and classifier, and watch.

    Everything is made anew in --data; nothing else on the machine is touched.

    \b
    Example:  hotori demo
              hotori demo --pictures 20
              hotori demo --camera /dev/video0
    """
    plan = DemoPlan(
        examples=examples.resolve(),
        data=data.resolve(),
        camera=str(Path(camera).resolve()) if camera and Path(camera).exists() else camera,
        pictures=pictures,
        interval=interval,
        within=within,
        cloud_address=cloud_address,
        edge_address=edge_address,
    )
    return run(run_demo(terminal, plan))
