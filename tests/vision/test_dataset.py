"""A folder of labelled pictures, and its honest split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.problems import Problem
from hotori.vision.dataset import Dataset, held_out_count
from tests.vision.pictures import picture_file


def fill(folder, **counts):
    """So many different pictures a label."""
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for number in range(count):
            colour = (number, len(label), ord(label[0]))
            (folder / label / f"{number}.png").write_bytes(picture_file(colour))
    return folder


def problem_of(folder):
    with pytest.raises(Problem) as met:
        Dataset.read(folder).split(0.3, seed=1)
    return met.value


def test_each_sub_folder_is_a_label_in_alphabetical_order(tmp_path):
    dataset = Dataset.read(fill(tmp_path, good=6, bad=5))
    assert dataset.labels == ("bad", "good")
    assert len(dataset.pictures) == 11


def test_hidden_files_and_other_files_are_no_pictures(tmp_path):
    fill(tmp_path, good=5, bad=5)
    (tmp_path / "good" / ".thumbnail.png").write_bytes(picture_file("blue"))
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "x.png").write_bytes(picture_file("green"))
    (tmp_path / "good" / "notes.txt").write_text("not a picture")
    assert len(Dataset.read(tmp_path).pictures) == 10


def test_the_split_is_the_same_for_the_same_seed_and_another_for_another(tmp_path):
    dataset = Dataset.read(fill(tmp_path, good=20, bad=20))
    assert dataset.split(0.3, seed=1) == dataset.split(0.3, seed=1)
    assert dataset.split(0.3, seed=1) != dataset.split(0.3, seed=2)


def test_every_label_is_on_both_sides_and_no_picture_is(tmp_path):
    dataset = Dataset.read(fill(tmp_path, good=20, bad=5))
    split = dataset.split(0.3, seed=3)
    assert (
        {picture.label for picture in split.train} == {picture.label for picture in split.held_out} == {"good", "bad"}
    )
    assert not set(split.train) & set(split.held_out)
    assert set(split.train) | set(split.held_out) == set(dataset.pictures)


@given(pictures=st.integers(2, 10_000), share=st.floats(0.01, 0.99))
def test_at_least_one_picture_is_held_out_and_at_least_one_is_left(pictures, share):
    assert 1 <= held_out_count(pictures, share) <= pictures - 1


def test_a_copy_of_a_picture_counts_once_and_cannot_be_on_both_sides(tmp_path):
    fill(tmp_path, good=6, bad=6)
    (tmp_path / "good" / "copy.png").write_bytes((tmp_path / "good" / "0.png").read_bytes())
    assert len(Dataset.read(tmp_path).pictures) == 12


def test_the_same_picture_under_two_labels_is_a_problem_naming_both(tmp_path):
    fill(tmp_path, good=6, bad=6)
    (tmp_path / "good" / "copy.png").write_bytes((tmp_path / "bad" / "0.png").read_bytes())
    problem = problem_of(tmp_path)
    assert problem.code == "picture-labelled-twice"
    assert "bad/0.png" in problem.cause()
    assert "good/copy.png" in problem.cause()


def test_a_folder_that_is_not_there_or_empty_or_a_file_is_a_problem(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    problems = [problem_of(tmp_path / name) for name in ("nowhere", "empty", "file")]
    assert {problem.code for problem in problems} == {"folder-without-pictures"}
    assert len({problem.cause() for problem in problems}) == 3


def test_one_label_is_too_few(tmp_path):
    assert problem_of(fill(tmp_path, good=9)).code == "labels-too-few"


def test_pictures_that_lie_outside_of_every_label_do_not_count(tmp_path):
    for number in range(9):
        (tmp_path / f"{number}.png").write_bytes(picture_file((number, 0, 0)))
    assert problem_of(tmp_path).code == "labels-too-few"


def test_a_label_with_too_few_pictures_is_named_with_their_number(tmp_path):
    problem = problem_of(fill(tmp_path, good=9, bad=4))
    assert problem.code == "label-too-few-pictures"
    assert (problem.values["label"], problem.values["count"]) == ("bad", "4")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    fill(tmp_path, good=5, bad=5)
    (tmp_path / "good" / "broken.png").symlink_to("/proc/self/mem")  # the kernel answers with an input/output error
    problem = problem_of(tmp_path)
    assert problem.code == "file-unreadable"
    assert "broken.png" in problem.title()
