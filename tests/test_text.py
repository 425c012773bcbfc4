from resnet_tutorial.text import count, duration, natural, text_table


def test_columns_stand_below_each_other():
    rows = [("network", "size", "note"), ("resnet8", "1,000", "small"), ("b", "2", "")]
    assert text_table(rows, "<><").splitlines() == ["network   size  note", "resnet8  1,000  small", "b            2"]
    assert text_table(rows, gap=" ").splitlines()[1] == "resnet8 1,000 small" and text_table([]) == ""


def test_numbers_of_things():
    assert [count(n, "epoch") for n in (0, 1, 1000)] == ["0 epochs", "1 epoch", "1,000 epochs"]


def test_durations():
    assert [duration(s) for s in (3.21, 45, 150, 9000, 400_000)] == ["3.2 s", "45 s", "2.5 min", "2.5 h", "4.6 days"]


def test_numbers_in_names_count_as_numbers():
    assert sorted(["resnet110", "resnet20", "plain8"], key=natural) == ["plain8", "resnet20", "resnet110"]
