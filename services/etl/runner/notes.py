"""Writing down what an attempt tells, not more often than it is worth."""

import asyncio

from services.etl.runner.means import Means
from services.etl.runner.messages import Backend, ChildMessage
from services.etl.runner.recorder import Recorder
from services.etl.runner.rejects import RejectKeeper
from services.etl.runner.repository import Claimed, Leases, Notes
from shared.errors import Transient
from shared.observe import logs

_log = logs.get(__name__)


class NoteKeeper:
    """Takes the messages of an attempt's child and writes them into the run's history."""

    def __init__(self, claimed: Claimed, means: Means) -> None:
        self._claimed = claimed
        self._means = means
        self._recorder = Recorder()
        self._rejects = RejectKeeper(claimed, means.rejects)
        self._unwritten: Notes | None = None
        self._writing = asyncio.Lock()

    @property
    def committing(self) -> bool:
        """Whether the child has said that it commits."""
        return self._recorder.committing

    async def take(self, message: ChildMessage) -> None:
        """Take a message. The number of the target's session is written at once: a successor needs it."""
        if not isinstance(message, Backend):
            self._recorder.record(message)
            return
        try:
            async with self._means.database.write() as session:
                await Leases(session, self._means.now).note_backend(self._claimed, message.pid)
        except Transient as error:
            _log.warning("backend_not_noted", run_id=str(self._claimed.run_id), reason=str(error))

    async def keep(self) -> None:
        """Write what is new, at most once in `timing.note` seconds."""
        while True:
            await self._recorder.news.wait()
            try:
                await self.write()
            except Transient as error:
                _log.warning("notes_delayed", run_id=str(self._claimed.run_id), reason=str(error))
            await asyncio.sleep(self._means.timing.note)

    async def write(self) -> None:
        """Write everything that is new; what could not be written is kept for the next time."""
        async with self._writing:
            while self._unwritten is not None or self._recorder.news.is_set():
                notes = self._unwritten = self._unwritten or await self._taken()
                async with self._means.database.write() as session:
                    ours = await Leases(session, self._means.now).note(self._claimed, notes)
                self._unwritten = None
                if ours and notes.kept is not None:
                    await self._rejects.drop_earlier()
                self._means.hints.news.tell(self._claimed.run_id)

    async def drop_earlier(self) -> None:
        """Remove the rejected rows of earlier attempts: nothing of those was committed."""
        await self._rejects.drop_earlier()

    async def _taken(self) -> Notes:
        """What is new, with its rejected rows in their file already."""
        news = self._recorder.take()
        kept = await self._rejects.keep(news)
        return Notes(progress=news.progress, phase=news.phase, kept=kept, reject_counts=news.reject_counts)
