from dashboard.charts import small_multiples


def test_places_without_a_panel_are_blank():
    fig = small_multiples.grid(4, 3)
    shown = [fig.layout[f"xaxis{i or ''}"].visible for i in ("", 2, 3, 4, 5, 6)]
    assert shown == [None] * 4 + [False] * 2
