from dashboard.charts import transfer as transfer_charts
from tests.dashboard.charts.conftest import agreement, texts


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
