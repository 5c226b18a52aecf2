import asyncio
from uuid import UUID

from services.etl.runs.hints import Hints

RUN = UUID(int=1)


async def test_a_follower_wakes_when_there_is_news() -> None:
    hints = Hints()
    with hints.follow(RUN) as news:
        waiting = asyncio.ensure_future(news.wait(60.0))
        await asyncio.sleep(0)
        hints.tell(RUN)
        await asyncio.wait_for(waiting, 5.0)


async def test_news_between_two_waits_are_not_missed() -> None:
    hints = Hints()
    with hints.follow(RUN) as news:
        hints.tell(RUN)
        await asyncio.wait_for(news.wait(60.0), 5.0)


async def test_waiting_ends_without_news_too() -> None:
    hints = Hints()
    with hints.follow(RUN) as news:
        await asyncio.wait_for(news.wait(0.01), 5.0)


async def test_the_last_follower_leaves_nothing_behind() -> None:
    hints = Hints()
    with hints.follow(RUN), hints.follow(RUN):
        hints.tell(UUID(int=2))
    assert not hints._followers
