from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from posetrack.ops.matching import match_greedily, match_optimally

MATCHERS = [match_greedily, match_optimally]

shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=7)
similarities = hnp.arrays(
    np.float64, shapes, elements=st.one_of(st.floats(0, 1), st.just(np.nan), st.just(0.5))
)
at_leasts = st.one_of(st.floats(0, 1), st.just(0.5))


def greedy_by_definition(similarity, at_least):
    """Slow and plain: the largest remaining, lowest row, lowest column, until none is left."""
    left = np.where(np.isnan(similarity), -np.inf, similarity)
    pairs = []
    while left.size and left.max() >= at_least:
        row, col = np.unravel_index(left.argmax(), left.shape)
        pairs.append((row, col))
        left[row, :] = left[:, col] = -np.inf
    return sorted(pairs)


def pairs_of(result):
    rows, cols = result
    return list(zip(rows.tolist(), cols.tolist(), strict=True))


def total(similarity, result):
    rows, cols = result
    return float(similarity[rows, cols].sum())


@pytest.mark.parametrize("match", MATCHERS)
class TestBoth:
    @given(similarity=similarities, at_least=at_leasts)
    def test_is_one_to_one_and_never_below_the_threshold(self, match, similarity, at_least):
        rows, cols = match(similarity, at_least=at_least)
        assert rows.dtype == cols.dtype == np.intp
        assert (np.diff(rows) > 0).all()
        assert len(set(cols.tolist())) == len(cols) == len(rows)
        assert (similarity[rows, cols] >= at_least).all()

    @given(similarity=similarities, at_least=at_leasts)
    def test_leaves_no_pair_that_could_be_added(self, match, similarity, at_least):
        rows, cols = match(similarity, at_least=at_least)
        left = np.delete(np.delete(similarity, rows, axis=0), cols, axis=1)
        # A pair of similarity 0 adds nothing to the optimal sum and may be left out.
        assert not (left >= max(at_least, 1e-300)).any()

    @given(
        shape=shapes,
        at_least=st.floats(0, 1),
        seed=st.integers(0, 2**32 - 1),
        negative=st.booleans(),
    )
    def test_order_of_rows_and_columns_does_not_matter(
        self, match, shape, at_least, seed, negative
    ):
        rng = np.random.default_rng(seed)
        similarity = rng.permuted(np.linspace(-1 if negative else 0, 1, shape[0] * shape[1] or 1))
        similarity = similarity[: shape[0] * shape[1]].reshape(shape) ** 3  # sums without ties
        rows, cols = rng.permutation(shape[0]), rng.permutation(shape[1])
        plain = match(similarity, at_least=at_least)
        shuffled_rows, shuffled_cols = match(similarity[rows][:, cols], at_least=at_least)
        shuffled = rows[shuffled_rows], cols[shuffled_cols]
        if match is match_greedily:
            assert sorted(pairs_of(shuffled)) == pairs_of(plain)
        else:
            assert total(similarity, shuffled) == pytest.approx(total(similarity, plain), abs=1e-12)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_any_float_type_is_taken(self, match, dtype):
        similarity = np.array([[0.75, 0.5], [0.25, 0.625]], dtype)
        assert pairs_of(match(similarity, at_least=0.5)) == [(0, 0), (1, 1)]

    @pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
    def test_nothing_to_match_is_fine(self, match, shape):
        rows, cols = match(np.zeros(shape), at_least=0.5)
        assert rows.shape == cols.shape == (0,)
        assert rows.dtype == cols.dtype == np.intp

    def test_empty_list_is_fine(self, match):
        assert pairs_of(match([], at_least=0.5)) == []

    def test_threshold_itself_is_allowed(self, match):
        assert pairs_of(match([[0.5, 0.4]], at_least=0.5)) == [(0, 0)]

    def test_nan_is_never_matched(self, match):
        assert pairs_of(match([[np.nan, 0.5], [np.nan, np.nan]], at_least=0)) == [(0, 1)]

    @pytest.mark.parametrize("shape", [(3,), (2, 2, 2), ()])
    def test_anything_but_a_matrix_is_refused(self, match, shape):
        with pytest.raises(ValueError, match="must be a matrix"):
            match(np.zeros(shape), at_least=0.5)

    def test_input_is_unchanged_and_may_be_read_only(self, match):
        similarity = np.random.default_rng(0).random((6, 8))
        keep = similarity.copy()
        similarity.flags.writeable = False
        match(similarity, at_least=0.2)
        assert np.array_equal(similarity, keep)

    def test_views_are_matched_right(self, match):
        similarity = np.random.default_rng(0).random((6, 8))
        wanted = sorted((col, row) for row, col in pairs_of(match(similarity, at_least=0.2)))
        assert pairs_of(match(similarity.T, at_least=0.2)) == wanted


class TestGreedy:
    @given(similarities, at_leasts)
    def test_agrees_with_its_definition_ties_included(self, similarity, at_least):
        result = match_greedily(similarity, at_least=at_least)
        assert pairs_of(result) == greedy_by_definition(similarity, at_least)

    def test_agrees_with_its_definition_on_large_matrices_with_many_ties(self):
        rng = np.random.default_rng(0)
        for shape in [(20, 200), (200, 20), (60, 60)]:
            similarity = rng.integers(0, 8, shape) / 8
            result = match_greedily(similarity, at_least=0.25)
            assert pairs_of(result) == greedy_by_definition(similarity, 0.25)

    def test_lowest_row_then_lowest_column_wins_a_tie(self):
        assert pairs_of(match_greedily(np.full((2, 3), 0.5), at_least=0.5)) == [(0, 0), (1, 1)]

    def test_best_pair_wins_even_if_the_sum_suffers(self):
        similarity = [[0.9, 0.8], [0.8, 0.1]]
        assert pairs_of(match_greedily(similarity, at_least=0.05)) == [(0, 0), (1, 1)]
        assert pairs_of(match_optimally(similarity, at_least=0.05)) == [(0, 1), (1, 0)]

    def test_negative_and_infinite_similarities_are_compared_as_they_are(self):
        similarity = [[-5.0, -np.inf], [-3.0, np.inf]]
        assert pairs_of(match_greedily(similarity, at_least=-6)) == [(0, 0), (1, 1)]


class TestOptimal:
    @given(
        hnp.arrays(
            np.float64,
            hnp.array_shapes(min_dims=2, max_dims=2, max_side=4),
            elements=st.one_of(st.floats(0, 1), st.just(np.nan)),
        ),
        at_leasts,
    )
    def test_no_other_matching_has_a_larger_sum(self, similarity, at_least):
        wide = similarity if similarity.shape[0] <= similarity.shape[1] else similarity.T
        worth = np.where(wide >= at_least, wide, 0)
        best = max(
            sum(worth[row, col] for row, col in enumerate(cols))
            for cols in permutations(range(wide.shape[1]), wide.shape[0])
        )
        found = total(similarity, match_optimally(similarity, at_least=at_least))
        assert found == pytest.approx(best, abs=1e-12)

    @given(similarities, at_leasts)
    def test_sum_is_at_least_that_of_greedy(self, similarity, at_least):
        optimal = total(similarity, match_optimally(similarity, at_least=at_least))
        greedy = total(similarity, match_greedily(similarity, at_least=at_least))
        assert optimal >= greedy - 1e-12

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("shape", [(5, 5), (20, 200), (200, 20), (40, 40), (90, 120)])
    @pytest.mark.parametrize("at_least", [0.0, 0.5, 0.9, 0.99])
    def test_sum_is_scipys_at_any_density(self, shape, at_least, dtype):
        similarity = np.random.default_rng(1).random(shape).astype(dtype)
        worth = np.where(similarity >= at_least, similarity, 0).astype(np.float64)
        rows, cols = linear_sum_assignment(worth, maximize=True)
        result = match_optimally(similarity, at_least=at_least)
        assert total(worth, result) == pytest.approx(worth[rows, cols].sum(), rel=1e-12)

    @pytest.mark.parametrize("shape", [(30, 30), (60, 60), (60, 64), (64, 60), (60, 90), (90, 60)])
    @pytest.mark.parametrize("at_least", [0.0, 0.6, 0.8])
    def test_sum_is_scipys_where_everybody_wants_the_same(self, shape, at_least):
        rng = np.random.default_rng(2)
        similarity = np.add.outer(rng.random(shape[0]), rng.random(shape[1])) / 2
        worth = np.where(similarity >= at_least, similarity, 0)
        wanted = worth[linear_sum_assignment(worth, maximize=True)].sum()
        rows, cols = match_optimally(similarity, at_least=at_least)
        assert (similarity[rows, cols] >= at_least).all()
        assert len(set(cols.tolist())) == len(cols) == len(rows)
        assert similarity[rows, cols].sum() == pytest.approx(wanted, rel=1e-12)

    def test_sum_is_scipys_with_many_ties(self):
        for seed in range(200):
            rng = np.random.default_rng(seed)
            similarity = rng.integers(0, 4, rng.integers(1, 12, 2)) / 4
            worth = np.where(similarity >= 0.25, similarity, 0)
            wanted = worth[linear_sum_assignment(worth, maximize=True)].sum()
            assert total(similarity, match_optimally(similarity, at_least=0.25)) == wanted

    def test_pairs_below_zero_are_not_worth_it(self):
        assert pairs_of(match_optimally([[-0.5, 0.2]], at_least=-1)) == [(0, 1)]
        assert pairs_of(match_optimally([[-0.5]], at_least=-1)) == []

    def test_infinite_similarity_is_refused(self):
        with pytest.raises(ValueError, match="finite"):
            match_optimally([[np.inf, 0.5], [0.5, 0.5]], at_least=0)
