"""Adding up events, against counts made by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmrnet.studies import Board, Busy, Done, Epoch, Event, Failed, Job, Ready, Started
from dmrnet.studies.workers.events import Message, read, write

JOBS = [Job(f"job {n}", ()) for n in range(4)]


def done(fresh: bool = True, train: float = 10.0) -> Done:
    return Done("runs/x", fresh, {"train": train}, 0.9, True)


def played(*events: tuple[float, int | None, int, Message]) -> Board:
    board = Board(JOBS, workers=2)
    for now, job, worker, message in events:
        board.update(Event(job, worker, message), now)
    return board


def test_nothing_is_said_of_the_time_before_anything_is_known() -> None:
    assert played().left(5.0) is None
    assert played((0, 0, 0, Started("a"))).left(5.0) is None


def test_the_time_left_follows_from_what_was_done() -> None:
    board = played(
        (0, 0, 0, Started("a")),
        (10, 0, 0, Epoch(10, 10, 0.5, 0.9)),
        (10, 0, 0, done()),
        (10, 1, 0, Started("b")),
    )
    # Epochs 1 to 9 of job 0 were not told, so only the last of ten counts as done here: 10 s for
    # a tenth. Three jobs are left, on two workers.
    assert board.left(10.0) == pytest.approx(3 * 100 / 2)


def test_a_run_that_goes_on_counts_what_was_done_here() -> None:
    board = played((0, 0, 0, Started("a")), (1, 0, 0, Epoch(6, 10, 0.5, None)))
    board.update(Event(0, 0, Epoch(8, 10, 0.5, None)), 3.0)
    # Three of ten epochs in three seconds: ten seconds a job, 3.2 jobs left, two workers.
    assert board.left(3.0) == pytest.approx(10 * 3.2 / 2)


def test_finished_runs_say_nothing_of_the_time() -> None:
    board = played((0, 0, 0, Started("a")), (0.1, 0, 0, done(fresh=False)))
    assert board.left(1.0) is None
    assert board.ended == 1


def test_what_another_process_makes_is_neither_done_nor_at_work() -> None:
    board = played((0, 0, 0, Started("a")), (2, 0, 0, Busy("process 1")))
    assert board.busy == {0}
    assert not board.current
    assert board.ended == 0
    board.update(Event(0, 1, Started("a")), 3.0)
    board.update(Event(0, 1, done(fresh=False)), 3.1)
    assert (board.busy, board.ended) == (set(), 1)


def test_failures_and_seconds_add_up() -> None:
    board = played(
        (0, None, 0, Ready(4.0)),
        (0, None, 1, Ready(5.0)),
        (1, 0, 0, Started("a")),
        (2, 1, 1, Started("b")),
        (3, 0, 0, Failed("no")),
        (4, 1, 1, done(train=2.5)),
    )
    assert board.seconds == {"start": 9.0, "train": 2.5}
    assert (board.ended, set(board.failed), set(board.done)) == (2, {0}, {1})
    assert board.runs == ["runs/x"]
    assert board.ready == {0, 1}
    assert not board.current


def test_a_worker_may_die_before_it_starts_a_run() -> None:
    board = played((0, 0, 0, Failed("its process was killed")))
    assert board.ended == 1


TEXT = st.text(max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
MESSAGES = st.one_of(
    st.builds(Ready, NUMBER),
    st.builds(Started, TEXT),
    st.builds(Epoch, st.integers(), st.integers(), NUMBER, st.none() | NUMBER),
    st.builds(
        Done, TEXT, st.booleans(), st.dictionaries(TEXT, NUMBER), st.none() | NUMBER, st.booleans()
    ),
    st.builds(Failed, TEXT, st.booleans()),
)


@given(MESSAGES)
def test_a_message_is_one_line_and_comes_back(message: Message) -> None:
    line = write(message)
    assert line.splitlines() == [line[:-1]]
    assert read(line) == message


@pytest.mark.parametrize("line", ["", "x", "[]", "{}", '{"kind": "Other"}', '{"kind": "Ready"}'])
def test_what_is_no_message_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"expected a message|Expecting value"):
        read(line)
