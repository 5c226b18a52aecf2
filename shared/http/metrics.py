"""Counting requests, and telling what can be reached."""

from collections.abc import Callable, Iterable
from typing import Final

import prometheus_client

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HttpMetrics:
    """How many requests, with which status, how long they took; by operation, never by path."""

    def __init__(self, registry: prometheus_client.CollectorRegistry, service: str) -> None:
        self.registry = registry
        self._service = service
        self._requests = prometheus_client.Counter(
            "penstock_http_requests",
            "Requests answered.",
            ("service", "operation", "method", "status"),
            registry=registry,
        )
        self._seconds = prometheus_client.Histogram(
            "penstock_http_request_seconds",
            "Time from the request's headers to its answer.",
            ("service", "operation"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._reachable = prometheus_client.Gauge(
            "penstock_reachable",
            "1 while what the service can do without for a while works, 0 while it doesn't.",
            ("service", "what"),
            registry=registry,
        )

    def watch(self, what: str, works: Callable[[], bool]) -> None:
        """Tell with each exposition whether this works."""
        self._reachable.labels(self._service, what).set_function(lambda: float(works()))

    def observe(self, operation: str, method: str, status: int, seconds: float) -> None:
        known = method if method in _METHODS else "OTHER"
        self._requests.labels(self._service, operation, known, str(status)).inc()
        self._seconds.labels(self._service, operation).observe(seconds)

    def text(self) -> str:
        """The Prometheus exposition of the whole registry."""
        return together([self.registry])


def together(registries: Iterable[prometheus_client.CollectorRegistry]) -> str:
    """The exposition of several registries: each family once, as the format demands."""
    return prometheus_client.generate_latest(_Together(registries)).decode()


class _Together:
    def __init__(self, registries: Iterable[prometheus_client.CollectorRegistry]) -> None:
        self._registries = registries

    def collect(self) -> Iterable[prometheus_client.Metric]:
        families: dict[str, prometheus_client.Metric] = {}
        for registry in self._registries:
            for family in registry.collect():
                known = families.setdefault(family.name, family)
                if known is not family:  # figures of the process are in every registry: those once, too
                    seen = {(one.name, tuple(one.labels.items())) for one in known.samples}
                    known.samples += [
                        one for one in family.samples if (one.name, tuple(one.labels.items())) not in seen
                    ]
        return families.values()
