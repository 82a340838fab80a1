"""The registry is complete and consistent: what a view needs to draw and explain a metric is there."""

from __future__ import annotations

import re

import pytest

from acceltop.profiler import metrics
from acceltop.profiler.metrics import METRICS, Metric

ALL = pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
UNITS = {
    metrics.RATIO,
    metrics.BYTES,
    metrics.BYTES_PER_S,
    metrics.WATT,
    metrics.CELSIUS,
    metrics.HERTZ,
    metrics.COUNT,
    metrics.JOULE,
}


def test_no_name_twice() -> None:
    assert len(metrics._ALL) == len(METRICS)


@ALL
def test_a_metric_explains_itself(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+", metric.name)
    assert metric.unit in UNITS
    assert 0 < len(metric.label) <= 16
    assert metric.meaning.endswith(".") and len(metric.meaning) > 5
    assert metric.draw in {"bar", "line", "number"}


@ALL
def test_its_scale_ends_somewhere_sensible(metric: Metric) -> None:
    if metric.high is not None:
        assert metric.low < metric.high
    if metric.limit is not None:
        assert METRICS[metric.limit].unit == metric.unit
