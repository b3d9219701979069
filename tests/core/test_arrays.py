import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.arrays import by_id


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), max_size=30))
def test_ids_are_in_the_order_of_python_and_equal_ones_stay_as_they_stand(ids):
    expected = sorted(range(len(ids)), key=ids.__getitem__)
    assert by_id(np.array(ids, object)).tolist() == expected
