"""The command ``stemtree card``: what a separator, parser or tagger says of itself."""

from __future__ import annotations

import click


@click.command()
@click.argument("plugin", metavar="NAME")
def card(plugin: str) -> None:
    """Print the card of a separator, parser or tagger: what it is, whose it is, what it was trained on, what it cannot.

    NAME is that of an installed plug-in (see `stemtree list`), or module:object.
    """
    import yaml

    from bench.commands_check import kind_of
    from bench.plugins import PluginError, load
    from taggers.card import ModelCard

    declared = getattr(load(kind_of(plugin), plugin), "card", lambda: None)()
    if not isinstance(declared, ModelCard):
        raise PluginError(f"{plugin} has no card")
    facts = {name: value for name, value in declared.model_dump(mode="json").items() if value not in (None, [])}
    click.echo(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=120), nl=False)
