"""What ``stemtree run --help`` says."""

from __future__ import annotations

from typing import Final

RUN_HELP: Final = """Run separators on data sets; OVERRIDES are NAME=VALUE in Hydra's grammar.

\b
  stemtree run 'separators=[hpss,my_pkg:MySeparator]' 'datasets=[musdb18]' data.musdb18=PATH
  stemtree run suite=demo options.hpss.kernel=17 limit=10 dry_run=true

\b
  separators, datasets   names (see `stemtree list`), or module:object; `mini` is the embedded data
  suite                  a list of both: demo, primitives, scenes, listening
  protocol               query (default): the classes are known; scene: blind scenes, of which only the mixture is given
  taggers, parsers       of blind scenes: each tagger with each separator is a system, 'nmf>hpss' are two in order of
                         preference; parsers are systems by themselves
  detect.threshold       when a class is active in a blind scene, where the tagger has no calibrated threshold of it;
                         more settings in detect
  scenes.count, scenes.seed, scenes.manifest   which blind scenes
  data.NAME, data.root   where the data sets lie
  options.NAME.OPTION    options of a separator or data set; of module:object, NAME is the object's
  metrics                ids such as sdri@1; each data set's own unless said
  limit                  at most so many scenes of each data set
  dry_run                count the cells and estimate the time, run nothing
  run, results           name of the run, folder of the results
  executor               pool (default) or inline; executor.workers=N
  limits.seconds, limits.memory_gb   what one cell may use
  retry                  statuses to run again: error, timeout, oom, skip, nan
  estimates              keep: cache the separated audio
  excerpts               own (default): keep what can be listened to of the embedded data; all: of every data set, where
                         the licences are yours to see to; none. More in excerpts.scenes, excerpts.separators
  seed, device           of every cell

Every setting and its default: bench/conf/config.yaml.
"""
