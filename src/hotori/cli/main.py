"""The `hotori` command: noun then verb, `--json` and `--lang` everywhere, exit status 0 only when it is done."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Mapping

import click

from hotori import __version__

# httpx has a command of its own, and loads rich and pygments for it with every import (4 MB, and a third of the time
# that a command of ours takes to start). None is how the import system says that a module is not there; httpx then
# goes without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # documented, and not in the stubs

# name -> (module, attribute, the line that `hotori --help` shows). Loaded only when used: start-up stays quick.
COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "up": ("hotori.cli.up", "up", "Run a cloud and one edge device together on this machine."),
    "demo": (
        "hotori.cli.demo",
        "demo",
        "Run the main job: photographs taken, classified and stored, before your eyes.",
    ),
    "cloud": ("hotori.cli.cloud", "cloud", "Run the cloud."),
    "edge": ("hotori.cli.edge", "edge", "Run an edge device, and ask one that runs on this machine."),
    "device": ("hotori.cli.device", "device", "Add, list, show and remove devices."),
    "enrolment": ("hotori.cli.enrolment", "enrolment", "Let devices provision themselves."),
    "ca": ("hotori.cli.authority", "ca", "Authorities whose certificates let devices in."),
    "deploy": ("hotori.cli.deploy", "deploy", "Build a solution, push its images and deploy it to a device."),
    "deployment": ("hotori.cli.deployment", "deployment", "Deploy to many devices, in waves, and take it back."),
    "logs": ("hotori.cli.logs", "logs", "Show what a module writes, once or as it is written."),
    "shell": ("hotori.cli.shell", "shell", "Run a shell, or another program, in a module."),
    "monitor": ("hotori.cli.monitor", "monitor", "Watch messages arrive in the cloud."),
    "routes": ("hotori.cli.routes", "routes", "See, check, explain and change where messages go."),
    "endpoint": ("hotori.cli.endpoint", "endpoint", "Make, list and delete endpoints of the cloud."),
    "query": ("hotori.cli.query", "query", "Ask for devices, modules and jobs by what is known of them."),
    "job": ("hotori.cli.job", "job", "Change or call many devices at once, and see what became of each."),
    "message": ("hotori.cli.message", "message", "Send messages to devices, and see what became of them."),
    "metrics": ("hotori.cli.metrics", "metrics", "Show the metrics of the cloud, or of a device on this machine."),
    "twin": ("hotori.cli.twin", "twin", "Show or change the twin of a device or module."),
    "invoke": ("hotori.cli.invoke", "invoke", "Call a method of a device or module."),
    "train": ("hotori.cli.train", "train", "Train a classifier from a folder of labelled photographs."),
    "problem": ("hotori.cli.problem", "problem", "Explain a problem by its code."),
}

_ALIASES: Mapping[str, str] = {"route": "routes", "endpoints": "endpoint"}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = _ALIASES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="hotori")
def hotori() -> None:
    """Hotori: an open, self-hosted edge-computing platform.

    \b
    Try it:   hotori demo
    Use it:   hotori up, then hotori deploy examples/main-job --device edge-1
    """


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Its exit status: 0 done, 1 a problem (told with cause and remedy), 2 wrong use,
    130 and 143 ended by Ctrl-C and SIGTERM."""
    try:
        status = hotori.main(arguments, prog_name="hotori", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except asyncio.CancelledError:
        return 143
    return status if isinstance(status, int) else 0
