"""How long to wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hotori.sdk.backoff import Backoff


def test_the_pause_doubles_up_to_the_longest() -> None:
    pauses = [Backoff(0.1, 30.0).delay(attempt, 1.0) for attempt in range(11)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


def test_a_refusal_is_tried_again_more_slowly() -> None:
    assert Backoff(0.1, 30.0, refused=2.0).delay(0, 1.0, refused=True) == 2.0


@given(st.integers(0, 10_000), st.floats(0, 1), st.booleans())
def test_every_pause_is_between_half_of_the_first_and_the_longest(attempt: int, chance: float, refused: bool) -> None:
    assert 0.05 <= Backoff().delay(attempt, chance, refused=refused) <= 30.0
