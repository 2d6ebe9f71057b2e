"""A remedy that names a command names one that is there, with options that it has."""

import shlex
from string import Formatter

import click
import pytest

from hotori.cli.main import hotori
from hotori.problems.catalogue import CATALOGUE

LINES = sorted(
    {line for kind in CATALOGUE.values() for line in kind.commands if line.removeprefix("sudo ").startswith("hotori ")}
)


def filled(line):
    """The line with a word for every value."""
    return line.format_map({name: "x" for _, name, _, _ in Formatter().parse(line) if name})


@pytest.mark.parametrize("line", LINES)
def test_a_command_in_a_remedy_is_there_with_its_options(line):
    words = shlex.split(filled(line).removeprefix("sudo "))[1:]
    command, context = hotori, click.Context(hotori)
    known = {option for parameter in command.params for option in parameter.opts}
    while isinstance(command, click.Group):
        command = command.get_command(context, words.pop(0))
        assert command is not None
        known |= {option for parameter in command.params for option in parameter.opts}
    own = words[: words.index("--")] if "--" in words else words  # what follows is another program's
    assert {word.partition("=")[0] for word in own if word.startswith("--")} <= known | {"--help"}
