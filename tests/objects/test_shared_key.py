"""Shared Key against the text that clients sign (contract, 2)."""

from __future__ import annotations

import string

import pytest
from azure.storage.blob._shared.authentication import _storage_header_sort
from hypothesis import given
from hypothesis import strategies as st

from hotori.model.secret import Secret
from hotori.model.shared_key import SignedRequest, collated, parse_authorization, parse_query

KEY = Secret("c2VjcmV0LWtleQ==")


def request(**overrides: object) -> SignedRequest:
    values: dict[str, object] = {
        "method": "PUT",
        "path": "/acct/c/dir%20one/b",
        "query": "comp=metadata",
        "headers": {"content-length": "13", "x-ms-date": "Mon, 01 Feb 2027 00:00:00 GMT", "x-ms-version": "2026-10-06"},
    }
    return SignedRequest(**{**values, **overrides})  # type: ignore[arg-type]


def test_the_path_is_signed_as_it_is_on_the_wire() -> None:
    assert request().string_to_sign("acct") == (
        "PUT\n\n\n13\n\n\n\n\n\n\n\n\n"
        "x-ms-date:Mon, 01 Feb 2027 00:00:00 GMT\nx-ms-version:2026-10-06\n"
        "/acct/acct/c/dir%20one/b\ncomp:metadata"
    )


def test_an_empty_body_is_signed_without_a_length() -> None:
    assert request(headers={"content-length": "0"}).string_to_sign("acct").startswith("PUT\n\n\n\n\n")


@pytest.mark.parametrize(
    ("headers", "line"), [({"date": "today"}, "today"), ({"date": "today", "x-ms-date": "now"}, "")]
)
def test_the_date_is_signed_only_where_x_ms_date_is_not(headers: dict[str, str], line: str) -> None:
    assert request(headers=headers).string_to_sign("acct").split("\n")[6] == line


def test_blank_values_count_and_a_plus_stays() -> None:
    assert parse_query("comp=list&include=&prefix=a%2Bb+c") == {"comp": ["list"], "include": [""], "prefix": ["a+b+c"]}


def test_several_values_of_one_name_are_sorted_and_joined() -> None:
    assert request(query="b=2&B=1&a=3").string_to_sign("acct").endswith("\na:3\nb:1,2")


def test_either_of_two_keys_opens() -> None:
    other = Secret("b3RoZXIta2V5")
    signature = request().signature("acct", other)
    assert request().signed_by("acct", [KEY, other], signature)
    assert not request().signed_by("acct", [KEY], signature)
    assert not request(method="GET").signed_by("acct", [other], signature)


def test_an_authorization_that_is_made_can_be_read() -> None:
    text = request().authorization("acct", KEY)
    assert parse_authorization(text) == ("acct", request().signature("acct", KEY))


@pytest.mark.parametrize("text", ["", "Bearer x", "SharedKey acct", "SharedKey :x", "SharedKeyLite a:b"])
def test_other_texts_are_not_shared_key(text: str) -> None:
    assert parse_authorization(text) is None


METADATA_NAMES = st.text("_" + string.ascii_lowercase + string.digits + "-", min_size=1, max_size=6)


@given(st.sets(METADATA_NAMES, max_size=6))
def test_headers_are_collated_as_the_service_does(names: set[str]) -> None:
    theirs = [name for name, _ in _storage_header_sort([(f"x-ms-meta-{name}", "") for name in names])]
    assert sorted((f"x-ms-meta-{name}" for name in names), key=collated) == theirs
