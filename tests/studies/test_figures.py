"""Accuracies and gains with their intervals."""

from nunbit.studies.figures import accuracy, format_figure, format_table, paired_gain


def test_figures_are_said_with_their_interval():
    figure = accuracy([1.0, 0.0, 1.0, 1.0], [0, 0, 1, 2])
    assert figure["right"] == 0.75 and format_figure(figure).startswith("75.0 (") and format_figure(None) == ""
    assert paired_gain([0, 0], [1, 1], [0, 1])["points"] == 100
    assert format_table(("a", "b"), [("x", "12"), ("yy", "3")]) == "a    b\nx   12\nyy   3"
