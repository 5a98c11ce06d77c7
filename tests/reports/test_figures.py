from __future__ import annotations

import re

from reports.figures import Dot, interval_plot


def test_rounding_errors_about_zero_do_not_fill_the_axis() -> None:
    dots = [Dot("silence", 0.0, -8e-8, 8e-8, "baseline")]
    figure = interval_plot(dots, axis="SDRi in dB", title="t", description="d")
    labels = re.findall(r"<text[^>]*>([^<]*)</text>", figure)
    assert not [label for label in labels if re.search(r"\de", label)], labels
    ticks = [float(label.replace("\N{MINUS SIGN}", "-")) for label in labels if re.fullmatch(r"\W?\d\.\d", label)]
    assert max(ticks) >= 0.4
    assert min(ticks) <= -0.4
