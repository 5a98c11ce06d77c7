"""``stemtree train``: train a separator family or a tagger on weakly labelled clips."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

import click

from bench.user_input import INTERRUPTED

if TYPE_CHECKING:
    from bench.training.report import RunReport

TRAIN_HELP: Final = """Train FAMILY (uss, tagger) on weakly labelled clips; OVERRIDES are NAME=VALUE in Hydra's grammar.

\b
  stemtree train uss preset=small data.esc50=PATH out=DIR
  stemtree train uss data.clips=PATH out=DIR device=cuda
  stemtree train uss preset=published data.audioset=PATH out=DIR
  stemtree train tagger preset=mini data.esc50=PATH data.rendered=auto calibrate=3 out=DIR

\b
  preset                 default, small (minutes on a CPU), published (the paper's recipe); mini (a tagger) and
                         mini-uss, by which the models that come along were trained
  data.clips             a folder CLASS/CLIP.wav, or a CSV with path,labels
  data.audioset          AudioSet as downloaded: segment lists and clips
  data.rendered          rendered instruments, speech and noises; auto makes them first
  data.NAME              the sources of a data set (see `stemtree list datasets`)
  out, resume            folder of the run; resume=true goes on from its newest checkpoint
  query                  labels (no tagger needed); at_soft: what a tagger hears, PANNs or query_tagger=mini-tagger;
                         embedding (PANNs)
  anchor                 energy (no tagger needed), framewise (a tagger), random
  steps, until           how long to train; where to stop for now
  batch, seed, device    of one process; `accelerate launch` starts several
  model.KEY              sizes, optimiser, schedule, precision of the family
  augment.KEY, calibrate of a tagger: how clips are mixed; the split that thresholds are chosen on
  publish                PATH.safetensors: weights in half precision, with a card, once all is done

Ctrl-C ends after the step in hand, with a checkpoint. Every setting and its default: bench/conf/train.yaml.
"""


@click.command(context_settings={"ignore_unknown_options": True}, help=TRAIN_HELP)
@click.argument("family")
@click.argument("overrides", nargs=-1)
def train(family: str, overrides: tuple[str, ...]) -> None:
    """Train a separator or a tagger."""
    from bench.progress import spinner
    from bench.train import train as run
    from bench.training.settings import compose
    from bench.training.trainable import family_class

    family_class(family)
    config = compose(overrides)
    again = [each for each in overrides if each.partition("=")[0] not in ("resume", "until")]
    command = shlex.join(["stemtree", "train", family, *again, "resume=true"])
    try:
        with spinner(f"train {family}") as tell:
            report = run(family, config, tell=tell, say=lambda line: click.echo(line, err=True))
    except KeyboardInterrupt:
        click.echo(f"interrupted; from the last checkpoint, where there is one, goes on: {command}", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    if not report.main:
        return
    _show(report)
    if not report.finished:
        click.echo(f"stopped after step {report.done} of {report.steps}; go on with: {command}", err=True)
        if config.until is None or report.done < config.until:
            raise click.exceptions.Exit(INTERRUPTED)


def _show(report: RunReport) -> None:
    for block in report.lines():
        click.echo(block)
    if report.done:
        click.echo(str(report.checkpoint))
