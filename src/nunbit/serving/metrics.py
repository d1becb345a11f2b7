"""Prometheus metrics of the engine, read when they are asked for. A metric's name ends in its unit."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from nunbit.engine.cache import LRUCache
from nunbit.engine.scheduler import Engine, RequestOutput

BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Metrics of one application. Each has its own registry, so that two servers in one process do not mix."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.registry = engine, CollectorRegistry()
        self.stored_responses: LRUCache | None = None
        self.registry.register(self)

        def histogram(name: str, help_text: str) -> Histogram:
            return Histogram(name, help_text, buckets=BUCKETS_S, registry=self.registry)

        self.first_token = histogram("nunbit_time_to_first_token_seconds", "From submission to the first token.")
        self.inter_token = histogram("nunbit_inter_token_seconds", "Mean time between tokens of an answer.")
        self.queued = histogram("nunbit_queue_seconds", "From submission to the start of the prompt.")
        self.request = histogram("nunbit_request_seconds", "From submission to the end.")

    def observe(self, output: RequestOutput) -> None:
        """Count a finished answer."""
        self.queued.observe(output.queued_s)
        self.request.observe(output.total_s)
        if output.tokens:
            self.first_token.observe(output.ttft_s)
        if len(output.tokens) > 1:
            self.inter_token.observe((output.total_s - output.ttft_s) / (len(output.tokens) - 1))

    def collect(self) -> Iterator[Metric]:
        """Gauges and counters as they stand. The registry calls this."""
        engine, stats = self.engine, self.engine.stats
        gauges = {
            "nunbit_requests_running": len(engine.running),
            "nunbit_requests_waiting": engine.waiting,
            "nunbit_prefix_cache_bytes": engine.prefixes.held.bytes,
            "nunbit_feature_cache_bytes": engine.runner.features.bytes,
            "nunbit_slot_cache_bytes": engine.runner.cache.nbytes,
        }
        counters = {
            "nunbit_requests": stats.requests,
            "nunbit_requests_refused": stats.refused,
            "nunbit_prompt_tokens": stats.prompt_tokens,
            "nunbit_cached_prompt_tokens": stats.cached_tokens,
            "nunbit_generated_tokens": stats.tokens,
            "nunbit_decode_steps": stats.steps,
            "nunbit_decode_rows": stats.rows,
            "nunbit_errors": stats.errors,
            "nunbit_feature_cache_hits": engine.runner.features.hits,
            "nunbit_feature_cache_misses": engine.runner.features.misses,
            "nunbit_prefix_cache_hits": engine.prefixes.held.hits,
            "nunbit_prefix_cache_misses": engine.prefixes.held.misses,
        }
        if engine.runner.aware is not None:
            gauges["nunbit_scene_cache_bytes"] = engine.runner.aware.scene_cache_bytes
        if self.stored_responses is not None:
            gauges["nunbit_response_cache_bytes"] = self.stored_responses.bytes
        for name, value in gauges.items():
            yield GaugeMetricFamily(name, name.replace("_", " "), value=value)
        for name, value in counters.items():
            yield CounterMetricFamily(name, name.replace("_", " "), value=value)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
