from dashboard.charts import small_multiples, theme


def test_places_without_a_panel_are_blank():
    fig = small_multiples.grid(4, 3)
    shown = [fig.layout[f"xaxis{i or ''}"].visible for i in ("", 2, 3, 4, 5, 6)]
    assert shown == [None] * 4 + [False] * 2


def test_the_axes_of_every_panel_have_the_ink_of_text():
    fig = small_multiples.grid(4, 3)
    axes = [fig.layout[f"{letter}axis{i or ''}"] for letter in "xy" for i in ("", 2, 3, 4)]
    assert {(axis.tickfont.color, axis.title.font.color) for axis in axes} == {(theme.INK,) * 2}


def test_a_long_name_stands_on_two_lines_and_is_cut_after_them():
    assert small_multiples.lines("dollars · invested · number") == "dollars · invested<br>number"
    assert small_multiples.lines("sort") == "sort"
    assert small_multiples.lines("a<b> " * 20).count("<br>") == 1
    assert "<b>" not in small_multiples.lines("a<b> " * 20)
