"""How good a classifier is."""

from hypothesis import given
from hypothesis import strategies as st

from hotori.vision.evaluation import Evaluation

PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1)


def of(pairs):
    return Evaluation.of("abc", [true for true, _ in pairs], [given for _, given in pairs])


def test_the_confusion_counts_truth_by_row_and_answer_by_column():
    assert of([(0, 0), (0, 1), (2, 1)]).confusion == ((1, 1, 0), (0, 0, 0), (0, 1, 0))


def test_precision_asks_of_the_answers_and_recall_of_the_truth():
    a, b, c = of([(0, 0), (0, 1), (1, 1), (1, 1)]).per_label()
    assert (a.precision, a.recall, a.pictures) == (1.0, 0.5, 2)
    assert (b.precision, b.recall, b.pictures) == (2 / 3, 1.0, 2)
    assert (c.precision, c.recall, c.pictures) == (None, None, 0)


@given(PAIRS)
def test_accuracy_is_the_share_of_right_answers(pairs):
    assert of(pairs).accuracy == sum(true == given for true, given in pairs) / len(pairs)


@given(PAIRS)
def test_every_picture_is_counted_once(pairs):
    assert of(pairs).pictures == len(pairs) == sum(score.pictures for score in of(pairs).per_label())
