"""Prometheus metrics of a gateway, by backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from nunbit.serving.gateway.backend import Backend
from nunbit.serving.gateway.wire import completion_tokens


class GatewayMetrics:
    """Metrics of one gateway. Each has its own registry, so that two gateways in one process do not mix."""

    def __init__(self, backends: Sequence[Backend]) -> None:
        self.backends, self.registry = list(backends), CollectorRegistry()
        self.registry.register(self)

        def counter(name: str, help_text: str) -> Counter:
            return Counter(name, help_text, ["backend"], registry=self.registry)

        self.requests = counter("nunbit_gateway_requests", "Requests sent to a backend.")
        self.failures = counter("nunbit_gateway_failures", "Requests that a backend did not answer, or refused.")
        self.generated = counter("nunbit_gateway_generated_tokens", "Completion tokens that a backend reported.")

    def count(self, backend: str, usage: Any) -> None:
        """Count the tokens of a whole reply."""
        self.generated.labels(backend).inc(completion_tokens(usage))

    def ended(self, backend: str, tokens: int, failed: bool) -> None:
        """Count a streamed reply that has ended."""
        self.generated.labels(backend).inc(tokens)
        self.failures.labels(backend).inc(failed)

    def collect(self) -> Iterator[Metric]:
        """Replies that are open. The registry calls this."""
        gauge = GaugeMetricFamily("nunbit_gateway_open_replies", "Replies that are being read.", labels=["backend"])
        for backend in self.backends:
            gauge.add_metric([backend.name], backend.open_replies)
        yield gauge

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
