"""Every command has a heading with its help in the reference, in both languages."""

import click
import pytest
from cli_pages import cli_page, commands

from hotori.cli.main import COMMANDS, hotori
from hotori.problems import Language


def every_path(command: click.Command, path: str) -> list[str]:
    """The words to type for a command and all below it, found without the help of what is tested."""
    paths = [path]
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, f"{path} {name} cannot be loaded"
            if not child.hidden:
                paths += every_path(child, f"{path} {name}")
    return paths


@pytest.mark.parametrize("language", list(Language))
def test_every_command_has_a_heading_and_its_help(language: Language) -> None:
    page = cli_page(hotori, "hotori", language)
    for path in every_path(hotori, "hotori"):
        assert f"\n## `{path}`\n\n```text\nUsage: {path}" in page
    assert page.startswith("# ")


def test_the_first_level_is_the_table_of_commands() -> None:
    paths = [path for path, _ in commands(hotori, "hotori")]
    assert [path.split()[1] for path in paths if path.count(" ") == 1] == list(COMMANDS)


def test_every_help_has_an_example_and_the_usual_options() -> None:
    for path, context in commands(hotori, "hotori"):
        if not isinstance(context.command, click.Group):
            shown = context.get_help()
            assert "Example:" in shown, path
            assert "--lang" in shown, path
            assert "--json" in shown, path


def test_a_command_that_is_listed_and_missing_is_an_error_and_not_a_gap() -> None:
    class Forgetful(click.Group):
        def list_commands(self, ctx: click.Context) -> list[str]:
            return ["gone"]

    with pytest.raises(LookupError, match="lists gone, and has no such command"):
        cli_page(Forgetful("tool"), "tool", Language.EN)
