"""What subcommands share: one-line errors, options, and the width of what they print."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any, Final

import click

INTERRUPTED: Final = 130
TERMINATED: Final = 143
"""Exit status after SIGINT and SIGTERM: 128 and the number of the signal, as shells have it."""
DEFAULT_RESULTS: Final = Path("stemtree-out/results")
_LOG_WIDTH: Final = 160
SHOWN: Final = 20
"""Lines of a list that a person is shown."""
DATASET_OPTION: Final = click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="Option of the data set, e.g. split=train."
)
RESULTS_OPTION: Final = click.option(
    "--results",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_RESULTS,
    show_default=True,
    help="Results folder.",
)
RUN_OPTION: Final = click.option("--run", "run_name", help="One run; the newest result of every cell unless said.")


class UserError(click.ClickException):
    """Wrong usage or input: one line, exit status 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the line to stderr."""
        click.echo(f"stemtree: {self.format_message()}", err=True, file=file)


def text_width(*, in_log: int = _LOG_WIDTH) -> int:
    """Letters in a line of the terminal; ``in_log`` where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else in_log


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
