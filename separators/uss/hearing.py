"""A query net that hears each segment once, however many queries are asked about it."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import Final

import torch

from taggers.query_nets import QueryNet

_BATCH: Final = 8
_REMEMBERED: Final = 512
"""Segments whose bottlenecks are kept: 17 minutes, at most 4 MB."""


class Ear:
    """What a query net hears in segments, remembered by their content: one recording is asked about in many calls."""

    def __init__(self, net: QueryNet) -> None:
        self._net = net
        self._heard: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._lock = Lock()

    def move(self, device: torch.device) -> None:
        """Bring the net to a device."""
        self._net.base.module.to(device)
        if self._net.adaptor is not None:
            self._net.adaptor.to(device)

    def hear(self, segments: torch.Tensor, *, device: torch.device) -> torch.Tensor:
        """The net's bottleneck, before any adaptor: ``(segments, samples)`` to ``(segments, units)`` on ``device``."""
        keys = [hashlib.sha256(row.cpu().contiguous().numpy()).hexdigest() for row in segments]
        with self._lock:
            found = {key: self._heard[key] for key in keys if key in self._heard}
            places = {key: place for place, key in enumerate(keys) if key not in found}
            if places:
                self.move(device)
                for rows in torch.tensor(list(places.values())).split(_BATCH):
                    heard = self._net.hear(segments[rows].to(device)).cpu()
                    found |= {keys[row]: each for row, each in zip(rows.tolist(), heard, strict=True)}
            for key in keys:
                self._heard[key] = found[key]
                self._heard.move_to_end(key)
            while len(self._heard) > _REMEMBERED:
                self._heard.popitem(last=False)
        return torch.stack([found[key] for key in keys]).to(device)
