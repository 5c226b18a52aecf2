from services.etl.runner.messages import Backend, Phase, Progress, Reject, Rejects, UnkeptRejects
from services.etl.runner.recorder import Recorder


class Watch:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def progress(read: int, bytes_read: int = 0, bytes_total: int = 100) -> Progress:
    return Progress(read=read, written=0, rejected=0, bytes_read=bytes_read, bytes_total=bytes_total)


def rejects(*columns: str) -> Rejects:
    found = [
        Reject(record=n, column=column, code="cast_failed", reason="no number", step="csv")
        for n, column in enumerate(columns, start=1)
    ]
    return Rejects(rejects=found)


def test_only_the_newest_progress_is_told_and_only_once() -> None:
    recorder = Recorder()
    recorder.record(progress(1))
    recorder.record(progress(2))
    told = recorder.take().progress
    assert told is not None
    assert told["read"] == 2
    assert recorder.take().progress is None


def test_news_are_there_until_they_are_taken() -> None:
    recorder = Recorder()
    recorder.record(progress(1))
    assert recorder.news.is_set()
    recorder.take()
    assert not recorder.news.is_set()


def test_rate_and_time_left_follow_from_rows_and_bytes() -> None:
    watch = Watch()
    recorder = Recorder(clock=watch)
    watch.seconds = 10.0
    recorder.record(progress(500, bytes_read=25))
    told = recorder.take().progress
    assert told is not None
    assert (told["rows_per_second"], told["eta_seconds"]) == (50.0, 30.0)


def test_the_time_left_follows_from_rows_where_the_source_has_no_size() -> None:
    watch = Watch()
    recorder = Recorder(clock=watch)
    watch.seconds = 10.0
    told = Progress(read=250, written=0, rejected=0, bytes_read=9_000, bytes_total=0, rows_total=1_000)
    recorder.record(told)
    assert (recorder.take().progress or {})["eta_seconds"] == 30.0
    recorder.record(told.model_copy(update={"read": 1_001}))
    assert "eta_seconds" not in (recorder.take().progress or {}), "there were more than was thought"


def test_the_time_left_is_unknown_before_the_first_byte() -> None:
    watch = Watch()
    recorder = Recorder(clock=watch)
    watch.seconds = 10.0
    recorder.record(progress(0))
    told = recorder.take().progress
    assert told is not None
    assert "eta_seconds" not in told


def test_a_phase_is_told_once_and_stays_with_the_progress() -> None:
    recorder = Recorder()
    recorder.record(Phase(name="loading"))
    assert recorder.take().phase == "loading"
    recorder.record(progress(1))
    notes = recorder.take()
    assert notes.phase is None
    assert notes.progress is not None
    assert notes.progress["phase"] == "loading"


def test_the_first_rejected_rows_are_kept_and_all_are_counted() -> None:
    recorder = Recorder(kept=2)
    recorder.record(rejects("a", "a"))
    recorder.record(rejects("a", "b"))
    notes = recorder.take()
    assert [(reject.record, reject.column) for reject in notes.rejects] == [(1, "a"), (2, "a")]
    assert not notes.complete
    assert notes.reject_counts == [
        {"step": "csv", "column": "a", "code": "cast_failed", "rows": 3},
        {"step": "csv", "column": "b", "code": "cast_failed", "rows": 1},
    ]


def test_rejected_rows_are_bounded_by_their_texts_and_none_is_left_out_between_others() -> None:
    recorder = Recorder(kept_bytes=100)
    long = Reject(record=2, value="x" * 100, code="cast_failed", reason="no number", step="csv")
    recorder.record(rejects("a"))
    recorder.record(Rejects(rejects=[long]))
    recorder.record(rejects("a"))
    notes = recorder.take()
    assert ([reject.record for reject in notes.rejects], notes.complete) == ([1], False)
    assert sum(kind["rows"] for kind in notes.reject_counts or []) == 3
    assert recorder.take().complete is False, "it stays said"


def test_rows_that_are_only_counted_add_to_the_others_of_their_kind() -> None:
    recorder = Recorder()
    recorder.record(rejects("a"))
    more = UnkeptRejects(step="csv", column="a", code="cast_failed", rows=70)
    recorder.record(Rejects(unkept=[more]))
    notes = recorder.take()
    assert (len(notes.rejects), notes.complete) == (1, False)
    assert notes.reject_counts == [{"step": "csv", "column": "a", "code": "cast_failed", "rows": 71}]


def test_kinds_of_rejects_are_bounded_and_their_sum_stays_right() -> None:
    recorder = Recorder(kept=1)
    recorder.record(rejects(*(f"column {n}" for n in range(1_000))))
    counts = recorder.take().reject_counts
    assert counts is not None
    assert len(counts) <= 201
    assert sum(kind["rows"] for kind in counts) == 1_000


def test_the_number_of_a_session_is_no_news() -> None:
    recorder = Recorder()
    recorder.record(Backend(pid=7))
    assert not recorder.news.is_set()
