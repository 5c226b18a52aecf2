"""The exchanges, queues and addresses of Penstock."""

from typing import Final

from shared.bus.port import Address, Binding, Exchange, Queue, Topology

RUN: Final = Exchange("penstock.run.v1", "direct")
EVENT: Final = Exchange("penstock.event.v1", "topic")
CONTROL: Final = Exchange("penstock.control.v1", "fanout")
DEAD_LETTERS: Final = Exchange("penstock.dlx.v1", "topic")

RUN_REQUESTED: Final = Address(RUN.name, "run.normal")
SCAN_REQUESTED: Final = Address(RUN.name, "scan")
RESOURCE_CHANGED: Final = Address(EVENT.name, "resource.changed")
SESSION_REVOKED: Final = Address(EVENT.name, "session.revoked", mandatory=False)
HINTS: Final = Address(CONTROL.name, "", mandatory=False)

RUN_QUEUE: Final = Queue("penstock.run.normal.v1", (Binding(RUN, RUN_REQUESTED.key),))
SCAN_QUEUE: Final = Queue("penstock.scan.v1", (Binding(RUN, SCAN_REQUESTED.key),))
RESOURCE_QUEUE: Final = Queue("penstock.meta.resources.v1", (Binding(EVENT, "resource.#"),))
DEAD_LETTER_QUEUE: Final = Queue(
    "penstock.dlq.v1", (Binding(DEAD_LETTERS, "#"),), delivery_limit=50, dead_letter=False
)

TOPOLOGY: Final = Topology(
    exchanges=(RUN, EVENT, CONTROL, DEAD_LETTERS),
    queues=(RUN_QUEUE, SCAN_QUEUE, RESOURCE_QUEUE, DEAD_LETTER_QUEUE),
    dead_letters=DEAD_LETTERS,
)
