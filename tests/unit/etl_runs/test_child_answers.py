"""What the child does with an answer that the pipe doesn't take."""

import os

import orjson

from services.etl.runner.frames import MAX_FRAME, BlockingPipe
from services.etl.runner.work_loop import answer


def test_an_answer_too_large_for_the_pipe_is_a_failed_one() -> None:
    reading, writing = os.pipe()
    try:
        answer(BlockingPipe(reading, writing), {"type": "previewed", "result": "x" * MAX_FRAME, "last": True})
        length = int.from_bytes(os.read(reading, 4), "big")
        told = orjson.loads(os.read(reading, length))
    finally:
        os.close(reading)
        os.close(writing)
    assert (told["type"], told["code"], told["last"]) == ("failed", "answer_too_large", True)
