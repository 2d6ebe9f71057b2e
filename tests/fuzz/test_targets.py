"""The fuzzer's targets over a few examples in every run, and over all that ever broke one of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
WORDS = [
    *("SELECT ", "* ", "FROM ", "devices", " WHERE ", "/messages/*", " INTO ", "$upstream", "BrokeredEndpoint("),
    *(
        '"/modules/m/inputs/i")',
        " AND ",
        " OR ",
        "NOT ",
        "IN [",
        "]",
        "(",
        ")",
        "'a'",
        "1.5",
        "-",
        "*",
        "/",
        "0x",
        "\\u",
    ),
    *("$body.a", "tags.", ".", "[[", "]]", "as_number(", "STARTS_WITH(", "is_defined(", ",", "=", "<>", "||", "%"),
    *("SharedAccessSignature ", "sr=", "&sig=", "&se=", "9" * 30, "%24.mid=", "&", "%", "%zz", "$.on=", "\0", "\ud7ff"),
    *(
        "devices/dev-1/",
        "modules/m/",
        "messages/events/",
        "$iothub/",
        "twin/",
        "methods/",
        "?$rid=",
        "hotori/",
        "#",
        "+",
    ),
    *(
        '{"a":',
        "[",
        "null",
        "1e999",
        "}",
        "]",
        '"',
        "\\ud800",
        "HostName=",
        "DeviceId=",
        ";",
        "api-version=",
        "é",
        "\n",
    ),
]
texts = st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=25).map("".join).map(str.encode)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=50)
@given(data=st.binary(max_size=120) | texts)
@example(data=b"")
@example(data=b"(" * 5000)
@example(data=b"[" * 5000)
@example(data=b"NOT " * 5000)
@example(data=b'{"a":' * 300 + b"1" + b"}" * 300)
@example(data=b"1" * 5000)
def test_no_target_raises_what_it_does_not_declare(name: str, data: bytes) -> None:
    TARGETS[name](data)


@pytest.mark.parametrize("path", sorted(CORPUS.rglob("*.bin")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_once_broke_a_target_does_so_no_more(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("tokens", b"sr=a&sig=YQ==&se=" + b"9" * 5000),
        ("routes", b"FROM /* WHERE 0x" + b"f" * 400 + b" = 1 INTO $upstream"),
        ("queries", b"tags.a * 0x" + b"f" * 400 + b" / 0.5 = 1 OR ceiling(1e999) = 1"),
        ("queries", b"SELECT TOP " + b"9" * 5000 + b" * FROM devices"),
    ],
)
def test_numbers_of_any_length_break_nothing(name: str, data: bytes) -> None:
    """Longer than what the fuzzer writes: Python refuses to read more than 4300 digits"""
    TARGETS[name](data)
