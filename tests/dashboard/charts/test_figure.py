import json

import numpy as np
import pandas as pd
import pytest

from dashboard.charts import clusters as cluster_charts
from dashboard.charts import figure, theme, training
from dashboard.charts import k_sweep as k_sweep_charts
from dashboard.charts import losses as loss_charts
from dashboard.charts import map as map_charts
from dashboard.charts import profile as profile_charts
from dashboard.charts import run as run_charts
from dashboard.charts import selection as selection_charts
from dashboard.charts import study as study_charts
from dashboard.charts import transfer as transfer_charts
from tests.dashboard.charts.conftest import (
    QUANTILES,
    RNG,
    STEPS,
    agreement,
    cluster_quantiles,
    points,
    results,
    shares,
    sweep,
)
from tests.dashboard.charts.test_review import FIGURES as REVIEWED

HOSTILE = "%{x}<a href='e'>y</a>"


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
        "training": training.losses(
            [
                training.Curve(figure.label(n), curve.assign(held_out=curve["loss"]), "#5b78ea")
                for n in (HOSTILE, "b")
            ]
        ),
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
        "by_size": study_charts.by_size(
            results({HOSTILE: 1.0, "b": 2.0}).assign(budget="11%"), "nll", HOSTILE, 0.9, 3.0
        ),
        "cost_bars": study_charts.cost_bars(
            pd.DataFrame(
                {
                    "arm": [HOSTILE, "b"],
                    "training": [9.0, 8],
                    "testing": [1.0, 2],
                    "proxy": [5.0, 0],
                }
            )
        ),
        "agreement_curves": transfer_charts.agreement_curves(agreement(), 0.7, 0.4),
    }


FIGURES = every_figure()
ALL = FIGURES | REVIEWED


@pytest.mark.parametrize("name", ALL)
def test_names_never_reach_plotly_as_markup_or_template(name):
    text = ALL[name].to_json().replace("\\u003c", "<").replace("\\u003e", ">")
    assert "<a href" not in text
    assert "%{x}&lt;" not in text
    assert "%{x}<" not in text


@pytest.mark.parametrize("name", ALL)
def test_figures_leave_fonts_and_backgrounds_to_the_page(name):
    layout = json.loads(ALL[name].to_json())["layout"]
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


@pytest.mark.parametrize("carried", [[7, 3], [[7, 3]], {"0": 7, "1": 3}])
def test_what_a_clicked_point_carries_is_read_however_the_browser_writes_it(carried):
    assert figure.of_point({"customdata": carried}) == [7, 3]
