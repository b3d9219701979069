import json
import re

import numpy as np
import pandas as pd
import pytest

from dashboard.charts import clusters as cluster_charts
from dashboard.charts import figure, theme
from dashboard.charts import k_sweep as k_sweep_charts
from dashboard.charts import losses as loss_charts
from dashboard.charts import map as map_charts
from dashboard.charts import profile as profile_charts
from dashboard.charts import run as run_charts
from dashboard.charts import selection as selection_charts
from dashboard.charts import study as study_charts
from dashboard.charts import transfer as transfer_charts

HOSTILE = "%{x}<a href='e'>y</a>"
STEPS = [0, 10, 20, 40]
RNG = np.random.default_rng(0)
QUANTILES = pd.DataFrame(
    {
        "q10": [2, 1, 0.5, 0.4],
        "q25": [2.5, 1.5, 1, 0.8],
        "q50": [3, 2, 1.5, 1],
        "q75": [4, 3, 2, 1.5],
        "q90": [5, 4, 3, 2],
    }
)


def points(n=200, k=5):
    return pd.DataFrame(
        {
            "row": np.arange(n) + 1000,
            "x": RNG.normal(size=n),
            "y": RNG.normal(size=n),
            "colour": np.arange(n) % k,
        }
    )


def cluster_quantiles(k):
    return pd.concat([QUANTILES.assign(cluster=c, step=STEPS) for c in range(k)])


def shares(n):
    pool = np.linspace(0.01, 0.2, n)
    return pd.DataFrame(
        {
            "source": [f"s{i}" for i in range(n)],
            "pool_share": pool,
            "selected_share": pool[::-1],
            "pool_rows": 10,
            "selected_rows": 5,
        }
    )


def agreement():
    return pd.DataFrame(
        {
            "share": [0, 0.5, 1],
            "proxy_step": [0, 50, 100],
            "target_step": [0, 4, 8],
            "rho": [-0.1, 0.5, 0.8],
            "low": [-0.2, 0.4, 0.75],
            "high": [0, 0.6, 0.85],
            "ari": [0, 0.2, 0.3],
        }
    )


def sweep():
    return pd.DataFrame(
        [
            {"k": k, "seed": s, "inertia": 90 / k + s, "silhouette": 0.2, "balance": 0.9}
            for k in (5, 10)
            for s in (0, 1)
        ]
    )


def results(arms):
    return pd.DataFrame(
        [
            {"arm": arm, "seed": s, "rows": 1200, "nll": value + 0.01 * s}
            for arm, value in arms.items()
            for s in range(3)
        ]
    )


def every_figure():
    """One figure of every kind, hostile names wherever a name goes."""
    curve = pd.DataFrame({"step": STEPS, "loss": [3.0, 2, 1.5, 1]})
    labels = pd.DataFrame({"cluster": [0], "x": [0.0], "y": [0.0], "name": [HOSTILE]})
    means = pd.DataFrame([[3.0, 2, 1, 1], [4.0, 3, 2, 1]], index=[HOSTILE, "b"], columns=STEPS)
    facts = pd.DataFrame(
        {
            HOSTILE: np.append(np.nan, RNG.random(39)),
            "length": np.arange(40) ** 2,
            "source": [HOSTILE, *"abcdefghi" * 4, "a", "b", "c"],
        }
    )
    return {
        "trajectory_overview": loss_charts.trajectory_overview(
            STEPS, QUANTILES, RNG.random((60, 4))
        ),
        "source_curves": loss_charts.source_curves(
            STEPS, means, pd.Series([7, 9], index=means.index)
        ),
        "live_loss": loss_charts.live_loss(curve.assign(eval_loss=[np.nan, 2, np.nan, 1]), [0, 20]),
        "growing": run_charts.growing(QUANTILES.assign(step=STEPS), [*STEPS, 90]),
        "cost_split": run_charts.cost_split({"tokenise": 3.0, "train": 420.0, "record": 300.0}),
        "finetune_curves": loss_charts.finetune_curves({HOSTILE: curve, "b": curve}),
        "ribbons": cluster_charts.ribbons(
            cluster_quantiles(3), {0: RNG.random((9, 4))}, [5] * 3, {1: HOSTILE}, [2, 1, 0], 3
        ),
        "inside_across": cluster_charts.inside_across(
            RNG.random(50),
            2 * RNG.random(60),
            STEPS,
            RNG.random((20, 4)),
            RNG.random((20, 4)),
            cluster=1,
        ),
        "profile": profile_charts.profile(
            facts, np.arange(40) < 9, {HOSTILE: HOSTILE, "length": "tokens"}, sampled=HOSTILE
        ),
        "explained": profile_charts.explained(
            pd.DataFrame({"what": [HOSTILE, "source"], "share": [0.3, 0.004]}), HOSTILE
        ),
        "sweep_curves": k_sweep_charts.sweep_curves(sweep(), 10),
        "sweep_agreement": k_sweep_charts.sweep_agreement(
            pd.DataFrame(np.eye(2), [5, 10], [5, 10])
        ),
        "cluster_ribbon": loss_charts.cluster_ribbon(
            QUANTILES.assign(step=STEPS), RNG.random((3, 4)), [1.0] * 4, cluster=1, k=3
        ),
        "length_histogram": loss_charts.length_histogram(
            pd.DataFrame({"prompt": [1, 20, 300], "response": [0, 5, 9]}), "tokens"
        ),
        "cluster_map": map_charts.cluster_map(
            points(), mode="category", k=5, title=HOSTILE, labels=labels, names={0: HOSTILE}
        ),
        "raster_map": map_charts.raster_map(
            np.zeros((4, 6, 4), np.uint8),
            (0, 1, 0, 1),
            labels=labels,
            counts=np.eye(4, dtype=int),
            clusters=np.zeros((4, 4), int),
            names={0: HOSTILE},
            colours=[theme.ACCENT],
            axes=map_charts.CARTOGRAPHY,
        ),
        "allocation": selection_charts.allocation(
            pd.DataFrame({"cluster": [0, 1], "size": [9, 2], "taken": [4, 2], "quota": [3, 2]}),
            2,
            {0: 4},
            {1: 2},
            [0],
            4,
        ),
        "movers": selection_charts.movers(shares(5).assign(source=[HOSTILE, *"bcde"])),
        "share_change": selection_charts.share_change(shares(3).assign(source=[HOSTILE, "b", "c"])),
        "study_figure": study_charts.study_figure(
            results({HOSTILE: 1.0, "b": 2.0}), "nll", HOSTILE, True, 3.0, 0.9
        ),
        "agreement_curves": transfer_charts.agreement_curves(agreement(), 0.7, 0.4),
    }


FIGURES = every_figure()


@pytest.mark.parametrize("name", FIGURES)
def test_names_never_reach_plotly_as_markup_or_template(name):
    text = FIGURES[name].to_json().replace("\\u003c", "<").replace("\\u003e", ">")
    assert "<a href" not in text
    assert "%{x}&lt;" not in text
    assert "%{x}<" not in text


@pytest.mark.parametrize("name", FIGURES)
def test_figures_leave_fonts_and_backgrounds_to_the_page(name):
    layout = json.loads(FIGURES[name].to_json())["layout"]
    assert not layout.get("template", {}).get("layout")
    assert "font" not in layout
    assert layout["paper_bgcolor"] == layout["plot_bgcolor"] == "rgba(0,0,0,0)"
    assert layout["height"] >= 60
    assert not layout.get("title")


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_per_point_and_at_most_three_facts_on_hover(name):
    for trace in FIGURES[name].data:
        assert trace["text"] is None if "text" in trace else True
        hover = (trace.hovertemplate or "").removesuffix("<extra></extra>")
        assert hover.strip("<br>").count("<br>") <= 2


def test_label_is_one_short_line_of_plain_text():
    assert figure.label("a\n\tb\u202e c\x00") == "a b c"
    assert figure.label("<b>") == "&lt;b&gt;"
    assert figure.label("x" * 29) == "x" * 27 + "…"
    assert figure.label("x" * 28) == "x" * 28
    assert "%{" not in figure.label("%{x}")
    assert "$" not in figure.label("$E=mc^2$")


@pytest.mark.parametrize(
    "wanted", [[1.0, 1.0, 1.0, 5.0], [9.9, 10.0, 9.8], [0.0, 0.1, 0.05], [3.0], []]
)
def test_dodged_labels_keep_order_and_distance_inside_the_plot(wanted):
    placed = figure.dodge(wanted, 1.0, 0.0, 10.0)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(placed[order]) >= 1.0 - 1e-9).all()
    assert ((placed >= -1e-9) & (placed <= 10 + 1e-9)).all()


def test_labels_that_do_not_collide_stay_where_they_are():
    assert figure.dodge([1.0, 4.0, 8.0], 1.0, 0.0, 10.0).tolist() == [1.0, 4.0, 8.0]


def test_labels_that_cannot_fit_share_the_height():
    assert np.allclose(figure.dodge([5.0] * 5, 10.0, 0.0, 8.0), [0, 2, 4, 6, 8])


def test_overview_draws_fifty_strands_as_one_trace():
    fig = loss_charts.trajectory_overview(STEPS, QUANTILES, RNG.random((400, 4)))
    assert len(fig.data) == 4
    assert np.isnan(np.asarray(fig.data[2].y, float)).sum() == 50


def test_overview_without_samples_still_draws_the_quantiles():
    assert len(loss_charts.trajectory_overview(STEPS, QUANTILES, np.empty((0, 4))).data) == 3


def test_source_curves_keep_the_twelve_largest():
    means = pd.DataFrame(RNG.random((15, 4)), index=[f"s{i:02}" for i in range(15)], columns=STEPS)
    fig = loss_charts.source_curves(STEPS, means, pd.Series(range(15), index=means.index))
    assert len(fig.data) == 12
    assert not any("s02" in note.text for note in fig.layout.annotations)


def test_runs_whose_shortened_names_agree_are_all_drawn():
    curve = pd.DataFrame({"step": STEPS, "loss": [3.0, 2, 1.5, np.nan]})
    fig = loss_charts.finetune_curves({"x" * 40 + str(i): curve for i in range(3)})
    assert len(fig.data) == 3
    assert len({note.y for note in fig.layout.annotations}) == 4


def test_a_run_without_a_measured_loss_is_left_out():
    curve = pd.DataFrame({"step": STEPS, "loss": [3.0, 2, 1.5, 1]})
    assert len(loss_charts.finetune_curves({"a": curve, "b": curve.head(0)}).data) == 1
    assert len(loss_charts.finetune_curves({"b": curve.head(0)}).data) == 0


def test_live_loss_marks_every_recorded_column():
    marks = loss_charts.live_loss(pd.DataFrame({"step": [1, 2], "loss": [3.0, 2.0]}), [0, 2]).data[
        -1
    ]
    assert list(marks.x) == [0, 2]


def test_live_loss_before_the_first_step_is_an_empty_chart():
    assert loss_charts.live_loss(pd.DataFrame({"step": [], "loss": []}), []).layout.height > 0


def frame(fig):
    """What must stay where it is while a run goes on: axes, margins, height."""
    x, y, margin = fig.layout.xaxis, fig.layout.yaxis, fig.layout.margin
    return x.range, y.range[0], y.automargin, margin.l, margin.r, margin.t, fig.layout.height


def test_the_ribbon_grows_to_the_right_over_the_whole_plan_and_nothing_moves():
    table, plan = QUANTILES.assign(step=STEPS), [*STEPS, 90]
    grown = [run_charts.growing(table.head(n), plan) for n in range(5)]
    assert {frame(fig)[:1] + frame(fig)[2:] for fig in grown} == {
        frame(grown[0])[:1] + frame(grown[0])[2:]
    }
    assert len({(fig.layout.yaxis.range) for fig in grown[1:]}) == 1, (
        "the first recording is the highest"
    )
    assert grown[0].layout.xaxis.range == (0, 90)
    for n, fig in enumerate(grown):
        to_come, done = (list(trace.x) for trace in fig.data[-2:])
        assert (done, to_come) == (STEPS[:n], plan[n:])


def test_the_first_recording_alone_can_be_seen():
    fig = run_charts.growing(QUANTILES.assign(step=STEPS).head(1), STEPS)
    spans = [list(t.y) for t in fig.data if list(t.x) == [0, 0] and t.line.width]
    assert spans == [[2, 5], [2.5, 4]]
    assert any("markers" in t.mode and list(t.y) == [3] for t in fig.data)


def test_a_running_loss_curve_keeps_its_frame():
    curve = pd.DataFrame({"step": [1, 2, 3], "loss": [3.0, 2, 1]})
    figures = [loss_charts.live_loss(curve.head(n), [0], last_step=50) for n in (1, 2, 3)]
    assert len({frame(fig) for fig in figures}) == 1
    assert figures[0].layout.xaxis.range == (0, 50)
    assert loss_charts.live_loss(curve, [0]).layout.xaxis.range == (0, 3)


def test_cost_is_one_bar_whose_parts_are_named_and_add_up():
    fig = run_charts.cost_split({"tokenise": 3.0, "train": 420.0, "record": 297.0})
    assert [trace.x[0] for trace in fig.data] == [3, 420, 297]
    assert fig.layout.xaxis.range == (0, 720)
    (words,) = (re.sub("<[^>]*>", "", note.text) for note in fig.layout.annotations)
    assert words.split("    ") == [
        "Took 12 min", "■ tokenise 3 s", "■ train 7 min 0 s", "■ record 4 min 57 s",
    ]  # fmt: skip


def test_a_run_of_no_time_has_a_bar_too():
    assert run_charts.cost_split({"train": 0.0}).layout.xaxis.range[1] > 0


def allocated(sizes, taken, **how):
    table = {"cluster": range(len(sizes)), "size": sizes, "taken": taken}
    table["quota"] = how.pop("quota", taken)
    return selection_charts.allocation(pd.DataFrame(table), len(sizes), **how)


def texts(fig):
    return " ".join(note.text for note in fig.layout.annotations)


def test_allocation_sorts_clusters_and_names_the_water_level():
    fig = allocated([3, 90, 60], [3, 41, 40])
    assert list(fig.data[0].y) == [90, 60, 3]
    assert "even share: 41 rows · 1 cluster taken whole" in texts(fig)


def test_allocation_without_a_level_claims_none():
    assert "even share" not in texts(allocated([50, 60, 70], [5, 30, 1]))


def test_allocation_of_everything_has_no_water_level():
    assert "even share" not in texts(allocated([5, 6], [5, 6]))


def test_allocation_turns_logarithmic_when_sizes_span_fifty_times():
    assert allocated([1000, 10], [10, 10]).layout.yaxis.type == "log"
    assert allocated([100, 10], [10, 10]).layout.yaxis.type is None


def marked(fig):
    """Return the bars under each kind of mark, by its symbol or sign."""
    found = {}
    for trace in fig.data[2:]:
        found[trace.texttemplate or trace.marker.symbol] = list(trace.x)
    return found


def test_bars_set_capped_and_taken_whole_are_marked():
    fig = allocated([60, 50, 40, 3], [30, 5, 9, 3], fixed={0: 30}, caps={1: 5})
    assert marked(fig) == {"=": [0], "\u2264": [1], "diamond": [3]}
    assert [w > 0 for w in fig.data[0].marker.line.width] == [True, True, False, False]
    assert all(word in texts(fig) for word in ("= set by hand", "\u2264 at most", "taken whole"))
    assert "set by hand" not in texts(allocated([60, 50], [9, 9]))


def test_the_water_level_is_that_of_the_clusters_no_hand_holds():
    assert "even share: 9 rows" in texts(allocated([60, 50, 40], [30, 9, 8], fixed={0: 30}))
    assert "even share: 9 rows" in texts(allocated([60, 50, 40], [4, 9, 9], caps={0: 4}))
    high = allocated([60, 50, 40], [9, 9, 9], caps={0: 20})
    assert "even share: 9 rows" in texts(high)


def test_what_sharing_alone_would_take_is_shown_where_it_differs():
    fig = allocated([60, 50, 40], [30, 9, 9], fixed={0: 30}, quota=[16, 16, 9])
    (ticks,) = [t for t in fig.data if t.type == "scatter" and t.marker.symbol == "line-ew"]
    assert (list(ticks.x), list(ticks.y)) == ([0, 1], [16, 16])
    assert "by sharing alone" in fig.data[0].hovertemplate
    assert "by sharing alone" not in allocated([60, 50], [9, 9]).data[0].hovertemplate


def bands(fig):
    return [(s.x0, s.x1) for s in fig.layout.shapes if s.type == "rect"]


def test_chosen_bars_are_lit_up_with_their_level():
    assert bands(allocated([60, 50, 40, 30], [9] * 4)) == []
    fig = allocated([60, 50, 40, 30], [9] * 4, chosen=[0, 1, 3], level=12)
    assert bands(fig) == [(-0.5, 1.5), (2.5, 3.5)]
    assert [s.y0 for s in fig.layout.shapes if s.type == "line" and s.y0 == s.y1 == 12] == [12, 12]


def test_a_column_answers_to_a_click_and_the_solid_bar_does_not():
    fig = allocated([60, 1], [9, 1])
    assert fig.layout.hovermode == "x"
    assert fig.data[0].hovertemplate
    assert fig.data[1].hoverinfo == "skip"


def test_movers_are_the_three_sources_that_change_most():
    fig = selection_charts.movers(shares(30))
    assert len(fig.data[1].x) == 3
    assert fig.layout.height < 120
    largest = selection_charts.share_change(shares(30), most=3)
    assert list(fig.layout.yaxis.ticktext) == list(largest.layout.yaxis.ticktext)


def test_share_change_sorts_by_change_and_keeps_twenty():
    fig = selection_charts.share_change(shares(30))
    change = np.asarray(fig.data[2].x) - np.asarray(fig.data[1].x)
    assert len(change) == 20
    assert (np.diff(change) >= 0).all()


@pytest.mark.parametrize(("lower", "top"), [(True, "a"), (False, "b")])
def test_study_puts_the_best_arm_on_top(lower, top):
    fig = study_charts.study_figure(results({"a": 1.0, "b": 2.0}), "nll", "loss", lower)
    assert fig.layout.yaxis.ticktext[-1] == top


def test_study_range_is_not_squeezed_by_a_distant_reference():
    fig = study_charts.study_figure(
        results({"a": 1.0, "b": 1.1}), "nll", "loss", True, base=40.0, full=0.95
    )
    low, high = fig.layout.xaxis.range
    assert low < 0.95
    assert high < 1.5
    assert "untuned 40.00 →" in texts(fig)


def test_study_survives_one_arm_with_one_value():
    one = results({"a": 1.0}).head(1)
    low, high = study_charts.study_figure(one, "nll", "loss", True).layout.xaxis.range
    assert low < 1.0 < high


def test_agreement_names_the_last_values_and_the_interval():
    fig = transfer_charts.agreement_curves(agreement(), 0.7, 0.4)
    assert "losses 0.80 (0.75 to 0.85)" in texts(fig)
    assert "clusters 0.30" in texts(fig)
    assert "yes from 0.7" in texts(fig)
    band, line, clusters = fig.data
    assert list(clusters.y) == [0, 0.2, 0.3]
    assert list(line.y) == [-0.1, 0.5, 0.8]
    assert min(band.y) == -0.2
    low, high = fig.layout.yaxis.range
    assert low < -0.2
    assert high >= 1


def test_study_tells_long_names_apart_and_says_how_many_rows():
    long = "s2l 11% capped 0.3 hardest noise guard quotas 3=40,7="
    table = results({f"{long}0": 1.0, f"{long}1": 2.0, "s2l": 3.0})
    table.loc[table["arm"] == "s2l", "rows"] = [990, 1000, 1010]
    fig = study_charts.study_figure(table, "nll", "loss", True)
    names = [name.replace("<br>", " ") for name in fig.layout.yaxis.ticktext]
    assert names[0] == "s2l"
    assert names[2].replace(" ", "") == f"{long}0".replace(" ", ""), "whole, over lines"
    assert "1.010  (1,200 rows, 3 seeds)" in texts(fig)
    assert "3.010  (990 to 1,010 rows, 3 seeds)" in texts(fig)
    assert fig.layout.height > study_charts.study_figure(
        results({"a": 1.0, "b": 2.0, "c": 3.0}), "nll", "loss", True
    ).layout.height  # fmt: skip
