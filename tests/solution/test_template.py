"""Templates become manifests (contract 3.5)."""

from hypothesis import given
from hypothesis import strategies as st

from hotori.model.manifest import read_create_options
from hotori.solution.environment import parse_environment
from hotori.solution.template import chunked, expand, fill, image_variables

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=60,
)


def test_names_are_filled_in_and_unknown_names_stay_for_the_check_to_find():
    assert expand("$A/${B}:$C", {"A": "reg", "B": "cam"}) == "reg/cam:$C"


def test_an_image_placeholder_becomes_the_modules_image():
    template = {
        "$schema-template": "4.0.0",
        "modulesContent": {"$edgeAgent": {"image": "${MODULES.camera}"}},
    }
    filled = fill(template, image_variables({"camera": "127.0.0.1:5000/camera:0.1.0-amd64"}))
    assert filled == {"modulesContent": {"$edgeAgent": {"image": "127.0.0.1:5000/camera:0.1.0-amd64"}}}


def test_create_options_given_as_an_object_become_text_with_their_names_filled_in():
    filled = fill({"settings": {"createOptions": {"Env": ["A=$A"]}}}, {"A": "1"})
    assert filled == {"settings": {"createOptions": '{"Env":["A=1"]}'}}


@given(st.dictionaries(st.text(min_size=1, max_size=20), ANY_JSON, min_size=1, max_size=8))
def test_chunked_create_options_are_read_back_as_they_were(options):
    pieces = chunked(options)
    assert all(isinstance(piece, str) and len(piece) <= 512 for piece in pieces.values())
    assert read_create_options(pieces, "") == options


def test_the_env_file_is_read_with_remarks_quotes_and_export():
    text = "# remark\nA=1\nexport B='two words'\nC=three # remark\n\nnot a variable\nD=x=y\n"
    assert parse_environment(text) == {"A": "1", "B": "two words", "C": "three", "D": "x=y"}
