"""Metrics as values, and the text that Prometheus reads (docs: Metrics)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from hotori.model.summary import Summary

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels: TypeAlias = Mapping[str, str]


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    SUMMARY = "summary"


@dataclass(slots=True)
class Family:
    """A metric by its whole name, and its values by labels."""

    name: str
    kind: Kind
    help: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> Family:
        self.samples.append(("", labels, value))
        return self

    def add_summary(self, summary: Summary, **labels: str) -> Family:
        for quantile, value in summary.quantiles().items():
            self.samples.append(("", {**labels, "quantile": str(quantile)}, value))
        self.samples.append(("_count", labels, summary.count))
        self.samples.append(("_sum", labels, summary.total))
        return self


def exposition(families: Iterable[Family], common: Labels) -> bytes:
    """The families in Prometheus's text format, each sample with the common labels; those without samples are left out.

    Names that come up twice are told once, with the samples of both.
    """
    families = [*families]
    # The library is only needed where somebody looks, and an idle edge device is to be small.
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(families, common))
    text = generate_latest(registry)
    for family in families:  # the contract has two counters that are not named as the library wants them to be
        if _is_oddly_named(family):
            name = family.name.encode()
            text = text.replace(b"# TYPE %s gauge\n" % name, b"# TYPE %s counter\n" % name)
    return text


def _is_oddly_named(family: Family) -> bool:
    return family.kind is Kind.COUNTER and not family.name.endswith("_total")


class _Collector:
    """Hands values to the library; registered for one exposition only."""

    def __init__(self, families: Iterable[Family], common: Labels) -> None:
        self._families, self._common = families, common

    def describe(self) -> list[Metric]:
        """Nothing is known beforehand, so nothing has to be collected twice."""
        return []

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import Metric

        metrics: dict[str, Metric] = {}
        for family in self._families:
            # The library writes a counter's name with its `_total` by itself.
            name = family.name.removesuffix("_total") if family.kind is Kind.COUNTER else family.name
            for suffix, labels, value in family.samples:
                kind = Kind.GAUGE if _is_oddly_named(family) else family.kind
                metric = metrics.setdefault(name, Metric(name, family.help, kind.value))
                metric.add_sample(family.name + suffix, {**self._common, **labels}, value)
        yield from metrics.values()
