import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dashboard.charts import raster, theme

SMALL = (7, 11)
RED, BLUE = "#ff0000", "#0000ff"
maps = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 60), st.just(2)),
    elements=st.one_of(st.floats(-1000, 1000, width=32), st.just(np.nan)),
)


def placed(xy):
    return np.isfinite(xy).all(1)


def one_by_one(grid, pick):
    """What `pick` says of the rows of each cell, cell by cell."""
    cells = {int(c): np.flatnonzero(grid.cell == c) for c in np.unique(grid.cell[grid.cell >= 0])}
    return {divmod(c, grid.shape[1]): pick(rows) for c, rows in cells.items()}


@given(maps)
def test_every_placed_row_is_counted_once_and_no_other(xy):
    grid = raster.grid(xy, shape=SMALL)
    assert raster.counts(grid).sum() == placed(xy).sum()
    assert ((grid.cell >= 0) == placed(xy)).all()


@given(maps, st.tuples(*[st.floats(-900, 900, width=32)] * 4))
def test_a_part_of_the_map_counts_the_rows_within_its_edges(xy, corners):
    x0, x1 = sorted(corners[:2])
    y0, y1 = sorted(corners[2:])
    extent = (x0, x1 + 1, y0, y1 + 1)
    x, y = xy.astype(float).T
    within = (x >= x0) & (x <= x1 + 1) & (y >= y0) & (y <= y1 + 1)
    grid = raster.grid(xy, extent, SMALL)
    assert raster.counts(grid).sum() == within.sum()
    assert grid.cell.max() < 7 * 11


def test_the_first_row_of_cells_is_the_lowest_y_and_the_first_row_of_a_picture_the_highest():
    xy = np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]], np.float32)
    grid = raster.grid(xy, (0, 1, 0, 1), (2, 2))
    assert raster.counts(grid).tolist() == [[1, 1], [0, 1]]
    drawn = raster.image(grid, categories=np.array([0, 0, 1]), colours=[RED, BLUE])
    assert drawn[0, 1, :3].tolist() == [0, 0, 255]
    assert drawn[1, 0, :3].tolist() == [255, 0, 0]


@given(maps, st.integers(0, 2**31))
def test_majority_is_the_most_frequent_and_the_smaller_of_equals(xy, seed):
    grid = raster.grid(xy, shape=SMALL)
    category = np.random.default_rng(seed).integers(-1, 4, len(xy)).astype(np.int32)

    def most(rows):
        said = category[rows][category[rows] >= 0]
        return int(np.bincount(said).argmax()) if len(said) else -1

    expected = np.full(SMALL, -1)
    for cell, winner in one_by_one(grid, most).items():
        expected[cell] = winner
    assert raster.majority(grid, category, 4).tolist() == expected.tolist()


@given(maps, st.integers(0, 4))
def test_majority_of_one_category_is_that_category_wherever_there_are_rows(xy, category):
    grid = raster.grid(xy, shape=SMALL)
    found = raster.majority(grid, np.full(len(xy), category, np.int32), 5)
    assert (found == np.where(raster.counts(grid) > 0, category, -1)).all()


def test_categories_of_many_cells_do_not_overflow():
    grid = raster.grid(np.array([[0, 0], [1, 1]], np.float32), shape=(3000, 3000))
    found = raster.majority(grid, np.array([0, 499], np.int32), 500)
    assert sorted(found[found >= 0].tolist()) == [0, 499]


@given(maps, st.integers(0, 2**31))
def test_mean_is_that_of_the_rows_with_a_value(xy, seed):
    grid = raster.grid(xy, shape=SMALL)
    values = np.random.default_rng(seed).normal(size=len(xy)).astype(np.float32)
    values[::3] = np.nan
    expected = np.full(SMALL, np.nan)
    for cell, rows in one_by_one(grid, lambda rows: values[rows]).items():
        if np.isfinite(rows).any():
            expected[cell] = np.nanmean(rows)
    assert np.allclose(raster.mean(grid, values), expected, atol=1e-5, equal_nan=True)


@given(maps)
def test_a_picture_shows_every_row_and_nothing_away_from_rows(xy):
    grid = raster.grid(xy, shape=SMALL)
    alpha = raster.image(grid, values=np.zeros(len(xy), np.float32))[::-1, :, 3]
    filled = raster.counts(grid) > 0
    assert (alpha[filled] >= 255 * raster.FAINTEST - 1).all()
    near = np.pad(filled, 1)
    near = near[1:-1, :-2] | near[1:-1, 2:] | near[:-2, 1:-1] | near[2:, 1:-1] | filled
    assert (alpha[~near] == 0).all()


def test_opacity_grows_with_the_rows_of_a_cell():
    xy = np.repeat(np.array([[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]], np.float32), [1, 30, 900], axis=0)
    grid = raster.grid(xy, (0, 1, 0, 1), (3, 3))
    drawn = raster.image(grid, categories=np.zeros(len(xy), np.int32), colours=[RED])[::-1]
    one, some, most = (int(drawn[i, i, 3]) for i in range(3))
    assert one < some < most == 255


@given(maps, st.integers(0, 2**31))
def test_highlighted_rows_keep_their_colour_and_the_others_are_grey(xy, seed):
    grid = raster.grid(xy, shape=SMALL)
    lit = np.random.default_rng(seed).random(len(xy)) < 0.3
    drawn = raster.image(
        grid, categories=np.zeros(len(xy), np.int32), colours=[RED], highlight=lit
    )[::-1]
    shown, rest = raster.counts(grid, lit) > 0, raster.counts(grid, ~lit) > 0
    assert (drawn[shown][:, :3] == [255, 0, 0]).all()
    grey = [int(theme.MUTED[i : i + 2], 16) for i in (1, 3, 5)]
    only = drawn[rest & ~shown]
    assert (only[:, :3] == grey).all()
    assert ((only[:, 3] > 0) & (only[:, 3] < 255 * raster.FAINTEST - 1)).all()


def test_a_highlighted_row_outshines_the_many_of_its_cell():
    xy = np.zeros((500, 2), np.float32)
    lit = np.arange(500) == 7
    categories = np.where(lit, 1, 0).astype(np.int32)
    drawn = raster.image(raster.grid(xy), categories=categories, colours=[RED, BLUE], highlight=lit)
    assert {tuple(c) for c in drawn[drawn[..., 3] > 0][:, :3].tolist()} == {(0, 0, 255)}


def test_a_quantity_runs_along_the_scale_and_rows_without_one_are_grey():
    xy = np.array([[0.1, 0.5], [0.5, 0.5], [0.9, 0.5]], np.float32)
    grid = raster.grid(xy, (0, 1, 0, 1), (1, 3))
    values = np.array([1, 3, np.nan], np.float32)
    drawn = raster.image(grid, values=values, colours=[RED, BLUE], span=(1.0, 3.0))
    seen = ["#" + bytes(c).hex() for c in drawn[0, :, :3]]
    assert seen == [RED, BLUE, theme.MUTED]


def test_outliers_share_the_end_colours():
    values = np.append(np.linspace(0, 1, 1000), [500, np.nan]).astype(np.float32)
    low, high = raster.ends(values)
    assert low == pytest.approx(0.01, abs=0.005)
    assert high == pytest.approx(0.99, abs=0.005)
    assert raster.ends(np.array([np.nan], np.float32)) == (0.0, 1.0)


def test_a_picture_of_nothing_in_particular_is_refused():
    with pytest.raises(ValueError, match="give one of them"):
        raster.image(raster.grid(np.zeros((1, 2), np.float32)))


@pytest.mark.parametrize("xy", [np.zeros((0, 2)), np.full((3, 2), np.nan), np.full((3, 2), 1e6)])
def test_maps_without_an_extent_have_a_picture(xy):
    xy = xy.astype(np.float32)
    grid = raster.grid(xy, shape=SMALL)
    x0, x1, y0, y1 = grid.extent
    assert x0 < x1
    assert y0 < y1
    assert raster.counts(grid).sum() == placed(xy).sum()
    assert raster.image(grid, values=np.zeros(len(xy), np.float32)).shape == (*SMALL, 4)


def test_a_name_stands_where_most_of_its_points_are():
    crowd, stray = np.full((30, 2), 0.9), np.linspace(0, 0.5, 40).repeat(2).reshape(-1, 2)
    xy = np.concatenate([crowd, stray, [[0.2, 0.2]]])
    found = raster.densest(xy, np.array([3] * 70 + [5]))
    assert found.loc[3].tolist() == [0.9, 0.9]
    assert found.loc[5].tolist() == [0.2, 0.2]
    assert raster.densest(np.zeros((0, 2)), np.zeros(0, int)).empty
