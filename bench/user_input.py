"""What subcommands share: one-line errors, and the options of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

DEFAULT_RESULTS: Final = Path("stemtree-out/results")
LOG_WIDTH: Final = 160
"""Columns of tables where there is no terminal to ask."""
SHOWN: Final = 20
"""Lines of a list that a person is shown."""
DATASET_OPTION: Final = click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="Option of the data set, e.g. split=train."
)


class UserError(click.ClickException):
    """Wrong usage or input: one line, exit status 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the line to stderr."""
        click.echo(f"stemtree: {self.format_message()}", err=True, file=file)


def dataset_options(pairs: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE pairs, values read as YAML."""
    import yaml

    options = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--option {pair!r}: say NAME=VALUE")
        options[name] = yaml.safe_load(value)
    return options
