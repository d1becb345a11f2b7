"""Prometheus figures of the engine, read when they are asked for; names follow the units."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from nunbit.engine.scheduler import Engine, RequestOutput

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """One registry an application: two servers in one process do not mix."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.registry = engine, CollectorRegistry()
        self.registry.register(self)

        def timed(name: str, what: str) -> Histogram:
            return Histogram(name, what, buckets=SECONDS, registry=self.registry)

        self.first = timed("nunbit_time_to_first_token_seconds", "From submission to the first token.")
        self.between = timed("nunbit_inter_token_seconds", "Mean time between tokens of an answer.")
        self.queued = timed("nunbit_queue_seconds", "From submission to the start of the prompt.")
        self.whole = timed("nunbit_request_seconds", "From submission to the end.")

    def note(self, result: RequestOutput) -> None:
        self.queued.observe(result.queued_s)
        self.whole.observe(result.total_s)
        if result.tokens:
            self.first.observe(result.first_s)
        if len(result.tokens) > 1:
            self.between.observe((result.total_s - result.first_s) / (len(result.tokens) - 1))

    def collect(self) -> Any:
        """Called by the registry."""
        e, f = self.engine, self.engine.figures
        gauges = {"nunbit_requests_running": len(e.running), "nunbit_requests_waiting": e.waiting,
                  "nunbit_prefix_cache_bytes": e.prefixes.held.bytes, "nunbit_feature_cache_bytes": e.runner.features.bytes}  # fmt: skip
        counters = {"nunbit_requests": f.requests, "nunbit_requests_refused": f.refused, "nunbit_prompt_tokens": f.prompt_tokens,
                    "nunbit_cached_prompt_tokens": f.cached_tokens, "nunbit_generated_tokens": f.tokens, "nunbit_decode_steps": f.steps,
                    "nunbit_decode_rows": f.rows, "nunbit_errors": f.errors, "nunbit_feature_cache_hits": e.runner.features.hits,
                    "nunbit_feature_cache_misses": e.runner.features.misses, "nunbit_prefix_cache_hits": e.prefixes.held.hits,
                    "nunbit_prefix_cache_misses": e.prefixes.held.misses}  # fmt: skip
        for name, value in gauges.items():
            yield GaugeMetricFamily(name, name.replace("_", " "), value=value)
        for name, value in counters.items():
            yield CounterMetricFamily(name, name.replace("_", " "), value=value)

    def text(self) -> bytes:
        return generate_latest(self.registry)
