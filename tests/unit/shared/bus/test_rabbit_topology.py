"""How Penstock's queues are declared: RabbitMQ ignores a misspelt argument without a word."""

from shared.bus import topology
from shared.bus.rabbit_topology import arguments_of


def test_a_queue_is_declared_with_arguments_that_every_version_knows_alike() -> None:
    assert arguments_of(topology.RUN_QUEUE, topology.TOPOLOGY) == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 10,
        "x-max-length": 100_000,
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": "penstock.dlx.v1",
        "x-dead-letter-routing-key": "penstock.run.normal.v1",
        "x-dead-letter-strategy": "at-least-once",
    }


def test_the_queue_of_dead_letters_has_no_dead_letters() -> None:
    assert arguments_of(topology.DEAD_LETTER_QUEUE, topology.TOPOLOGY) == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 50,
        "x-max-length": 100_000,
        "x-overflow": "reject-publish",
    }
