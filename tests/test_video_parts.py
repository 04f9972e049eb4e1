"""The parts of reading that need no video: ledger, selection, order of packets, reading ahead."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Generator
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.video.frames import Frame, Ledger, Selection, Status
from posetrack.video.packets import Arranger, Chooser, Ranker
from posetrack.video.pixels import from_matrix, orient
from posetrack.video.prefetch import Prefetch

selections = st.builds(
    lambda start, length, stride: Selection(
        start, None if length is None else start + length, stride
    ),
    st.integers(0, 40),
    st.none() | st.integers(0, 40),
    st.integers(1, 15),
)


@st.composite
def groups(draw: st.DrawFn) -> list[SimpleNamespace]:
    """Packets in order of decoding: keyframes, each followed by reordered frames of its group."""
    packets, shown = [], 0
    for size in draw(st.lists(st.integers(1, 12), min_size=1, max_size=6)):
        depth = draw(st.integers(1, 4))
        times = list(range(shown + 1, shown + size))
        # Each run of frames is decoded last one first, as B-frames are.
        runs = [times[k : k + depth] for k in range(0, len(times), depth)]
        order = [shown, *(time for run in runs for time in (run[-1], *run[:-1]))]
        packets += [SimpleNamespace(pts=time, key=place == 0) for place, time in enumerate(order)]
        shown += size
    for place, packet in enumerate(packets):
        packet.dts = place - 4
    return packets


# Ledger and selection


def test_a_ledger_takes_nine_bytes_a_frame() -> None:
    tracemalloc.start()
    ledger = Ledger()
    for second in range(100):
        ledger.extend((second + k / 1000, Status.DECODED) for k in range(1000))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(ledger) == 100_000
    assert used < 1.2e6


@given(st.lists(st.lists(st.sampled_from(Status), max_size=9)), st.integers(2, 9))
def test_a_bounded_ledger_forgets_the_oldest_rows_only(
    batches: list[list[Status]], limit: int
) -> None:
    whole, bounded = Ledger(), Ledger(max_rows=limit)
    for batch in batches:
        rows = [(float(len(whole) + k), status) for k, status in enumerate(batch)]
        whole.extend(rows)
        bounded.extend(rows)
    assert len(bounded) == len(whole)
    assert bounded.counts == whole.counts
    kept = list(bounded)
    assert len(kept) <= limit
    assert kept == list(whole)[len(whole) - len(kept) :]
    assert bounded.where(Status.CORRUPT).tolist() == [
        index for index, _, status in kept if status is Status.CORRUPT
    ]


def test_a_ledger_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="max_rows"):
        Ledger(max_rows=1)


@given(selections, st.integers(0, 100))
def test_a_selection_is_a_range(selection: Selection, index: int) -> None:
    stop = 200 if selection.stop is None else selection.stop
    wanted = range(selection.start, stop, selection.stride)
    assert selection.wants(index) == (index in wanted)
    assert selection.is_past(index) == (index >= stop)
    following = range(selection.start, 300, selection.stride)
    assert selection.next_from(index) == min(k for k in following if k >= index)


def test_a_frame_prints_its_size_and_not_its_pixels() -> None:
    assert repr(Frame(np.zeros((2, 3, 3), np.uint8), 5, 0.25)) == (
        "Frame(3x2, index=5, seconds=0.250)"
    )


# Packets


@given(groups())
def test_ranks_are_the_order_of_showing(packets: list[SimpleNamespace]) -> None:
    ranker: Ranker[SimpleNamespace] = Ranker()
    ranked = [one for packet in packets for one in ranker.push(packet)]
    ranked += ranker.finish()
    assert [one.packet for one in ranked] == packets
    assert [one.rank for one in ranked] == [packet.pts for packet in packets]
    assert ranker.rank_count == len(packets)


def test_ranks_go_on_where_times_jump_back() -> None:
    ranker: Ranker[SimpleNamespace] = Ranker()
    times = [(100, 90), (110, 100), (120, 110), (0, -10), (10, 0), (20, 10)]
    packets = [SimpleNamespace(pts=pts, dts=dts) for pts, dts in times]
    ranked = [one for packet in packets for one in ranker.push(packet)] + list(ranker.finish())
    assert [one.rank for one in ranked] == [0, 1, 2, 3, 4, 5]


def test_packets_without_times_of_decoding_do_not_pile_up() -> None:
    ranker: Ranker[SimpleNamespace] = Ranker()
    out = 0
    for number in range(1000):
        out += len(list(ranker.push(SimpleNamespace(pts=number, dts=None))))
        assert number - out < 100
    assert out + len(list(ranker.finish())) == 1000


@given(groups(), selections)
def test_every_wanted_frame_is_decoded_from_a_clean_start(
    packets: list[SimpleNamespace], selection: Selection
) -> None:
    ranker: Ranker[SimpleNamespace] = Ranker()
    chooser: Chooser[SimpleNamespace] = Chooser(selection, lambda packet: packet.key)
    fed: list[SimpleNamespace] = []
    for packet in packets:
        for one in ranker.push(packet):
            gap, chosen = chooser.push(one)
            if gap:
                assert chosen[0].packet.key
            fed += [each.packet for each in chosen]
    for one in ranker.finish():
        fed += [each.packet for each in chooser.push(one)[1]]
    times = [packet.pts for packet in fed]
    wanted = {packet.pts for packet in packets if selection.wants(packet.pts)}
    assert wanted <= set(times)
    # What is fed of a group is its beginning: everything that a frame may refer to.
    heads = [place for place, packet in enumerate(packets) if packet.key] + [len(packets)]
    for begin, end in pairwise(heads):
        part = [packet in fed for packet in packets[begin:end]]
        assert part == sorted(part, reverse=True)


def test_whole_groups_are_left_out() -> None:
    packets = [SimpleNamespace(pts=k, dts=k, key=k % 10 == 0) for k in range(100)]
    ranker: Ranker[SimpleNamespace] = Ranker()
    chooser: Chooser[SimpleNamespace] = Chooser(Selection(75, 77), lambda packet: packet.key)
    fed = [
        each.packet.pts
        for packet in packets
        for one in ranker.push(packet)
        for each in chooser.push(one)[1]
    ]
    assert fed == [70, 71, 72, 73, 74, 75, 76]
    assert chooser.done


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
def test_frames_leave_in_order_and_lost_ones_are_told(order: list[int], lost: set[int]) -> None:
    arranger: Arranger[int] = Arranger(patience=100)
    for rank in range(12):
        arranger.expect(rank, seconds=rank / 10, wanted=True)
        arranger.feed(rank)
    out = []
    for rank in order:
        if rank not in lost:
            arranger.put(rank, rank)
        out += list(arranger.ready())
    out += list(arranger.ready(end=True))
    assert [rank for rank, *_ in out] == list(range(12))
    assert {rank for rank, _, status, _ in out if status is Status.CORRUPT} == lost
    assert all(frame == rank for rank, _, _, frame in out if rank not in lost)


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("across", [1, -1])
@pytest.mark.parametrize("down", [1, -1])
def test_a_display_matrix_moves_each_pixel_where_it_says(
    transpose: bool, across: int, down: int
) -> None:
    a, b, c, d = (0, down, across, 0) if transpose else (across, 0, 0, down)
    one = 1 << 16
    matrix = np.array([a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30], np.int32)
    image = np.arange(6 * 3, dtype=np.uint8).reshape(2, 3, 3)
    turned = orient(image, from_matrix(matrix))
    places = [(a * x + c * y, b * x + d * y) for y in range(2) for x in range(3)]
    left, top = min(x for x, _ in places), min(y for _, y in places)
    for (x, y), pixel in zip(places, image.reshape(-1, 3), strict=True):
        assert (turned[y - top, x - left] == pixel).all()
    assert turned.flags.c_contiguous


# Reading ahead


def alive() -> int:
    return sum(thread.name == "posetrack-prefetch" for thread in threading.enumerate())


@given(st.lists(st.integers()), st.integers(1, 5))
def test_the_same_items_come_in_the_same_order(items: list[int], ahead: int) -> None:
    with Prefetch((item for item in items), ahead) as prefetch:
        assert list(prefetch) == items
    assert alive() == 0


def test_no_more_than_the_bound_is_made_ahead() -> None:
    made = []

    def items() -> Generator[int, None, None]:
        for number in range(100):
            made.append(number)
            yield number

    with Prefetch(items(), 3) as prefetch:
        for number in prefetch:
            time.sleep(0.001)
            assert len(made) <= number + 1 + 3 + 2  # queue, and one in each hand
            if number == 20:
                break
    assert len(made) < 30
    assert alive() == 0


def test_an_error_comes_after_the_items_before_it_with_its_trace() -> None:
    def items() -> Generator[int, None, None]:
        yield 1
        yield 2
        raise OverflowError("deep inside")

    prefetch = Prefetch(items(), 1)
    assert [next(prefetch), next(prefetch)] == [1, 2]
    with pytest.raises(OverflowError, match="deep inside") as caught:
        next(prefetch)
    assert any(entry.name == "items" for entry in caught.traceback)
    assert list(prefetch) == []
    assert alive() == 0


def test_the_generator_is_closed_in_its_thread_when_the_consumer_leaves() -> None:
    closed: list[str] = []

    def items() -> Generator[int, None, None]:
        try:
            while True:
                yield 0
        finally:
            closed.append(threading.current_thread().name)

    prefetch = Prefetch(items(), 2)
    next(prefetch)
    prefetch.close()
    assert closed == ["posetrack-prefetch"]
    abandoned = Prefetch(items(), 2)
    del abandoned
    assert alive() == 0
    assert len(closed) == 2


def test_nothing_ahead_is_refused() -> None:
    with pytest.raises(ValueError, match="ahead"):
        Prefetch((n for n in range(3)), 0)
