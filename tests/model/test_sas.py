"""Shared access signatures (contract 0.4, 1.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.model.sas import SasToken, hmac_sha256, sign, token_with_digest
from hotori.model.secret import Secret
from hotori.problems import Problem

KEY = Secret("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
EXPIRY = 1900000000
VECTORS = [
    (
        "hub.example.net/devices/dev-1",
        None,
        "SharedAccessSignature sr=hub.example.net%2Fdevices%2Fdev-1"
        "&sig=Vcoj757RwXSHnFNfKIZyutQiLHSA3v%2FIa%2Fsa32feesU%3D&se=1900000000",
    ),
    (
        "hub.example.net/devices/dev-1/modules/mod-1",
        None,
        "SharedAccessSignature sr=hub.example.net%2Fdevices%2Fdev-1%2Fmodules%2Fmod-1"
        "&sig=OCRiGDLhzDXc6%2BLzE5YSYy5AQeFaBiVse%2FNRtlk9zZ8%3D&se=1900000000",
    ),
    (
        "hub.example.net",
        "service",
        "SharedAccessSignature sr=hub.example.net&sig=yTVZaH7rOUVMb5M0i2O8B6R22c66BsAbkxCPYPV%2BzNY%3D"
        "&se=1900000000&skn=service",
    ),
    (
        "0ne00000000/registrations/reg-1",
        "registration",
        "SharedAccessSignature sr=0ne00000000%2Fregistrations%2Freg-1"
        "&sig=1MGounL2xpQGKXtjfSIFTvmPHDAyPm8d2m9R12CY90I%3D&se=1900000000&skn=registration",
    ),
]


@pytest.mark.parametrize(("resource", "policy", "token"), VECTORS)
def test_the_vectors_of_the_contract(resource: str, policy: str | None, token: str) -> None:
    assert sign(resource, KEY, EXPIRY, policy) == token
    parsed = SasToken.parse(token)
    assert parsed is not None
    assert (parsed.resource, parsed.expiry, parsed.policy) == (resource, EXPIRY, policy)
    assert parsed.signed_by([KEY])


def test_the_key_derived_for_a_registration() -> None:
    assert hmac_sha256(KEY, b"reg-1") == "YNjE5wCiB/QiFCiTQDa9LbvyCVWcu2EMyrO/zzqr7Ko="


def test_fields_may_come_in_any_order() -> None:
    scheme, _, fields = VECTORS[2][2].partition(" ")
    for turned in (fields.split("&")[::-1], sorted(fields.split("&"))):
        parsed = SasToken.parse(f"{scheme} {'&'.join(turned)}")
        assert parsed is not None
        assert parsed.signed_by([KEY])


@pytest.mark.parametrize("resource", ["hub/devices/a b", "hub%2fdevices%2fa", "hub/devices/a+b", "hub%2Fdevices/ü"])
def test_the_signature_is_checked_over_the_resource_exactly_as_it_was_sent(resource: str) -> None:
    token = token_with_digest(resource, EXPIRY, hmac_sha256(KEY, f"{resource}\n{EXPIRY}".encode()))
    parsed = SasToken.parse(token)
    assert parsed is not None
    assert parsed.signed_resource == resource
    assert parsed.signed_by([KEY])


def test_an_unescaped_signature_is_understood() -> None:
    digest = hmac_sha256(KEY, f"hub\n{EXPIRY}".encode())
    parsed = SasToken.parse(f"SharedAccessSignature sr=hub&sig={digest}&se={EXPIRY}")
    assert parsed is not None
    assert parsed.signed_by([KEY])


def test_either_of_two_keys_will_do_and_no_other() -> None:
    parsed = SasToken.parse(VECTORS[0][2])
    other = Secret("b3RoZXI=")
    assert parsed is not None
    assert parsed.signed_by([other, KEY])
    assert not parsed.signed_by([other])
    assert not parsed.signed_by([])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SharedAccessSignature",
        "SharedAccessSignature ",
        "SharedAccessSignature sr=a&sig=b",
        "SharedAccessSignature sr=a&se=1",
        "SharedAccessSignature sig=b&se=1",
        "SharedAccessSignature sr=a&sig=b&se=soon",
        "SharedAccessSignature sr=a&sig=b&se=-1",
        "SharedAccessSignature sr=a&sig=b&se=١",
        "Bearer sr=a&sig=b&se=1",
    ],
)
def test_what_is_not_a_token_is_none(text: str) -> None:
    assert SasToken.parse(text) is None


@given(st.text())
def test_whatever_is_sent_parsing_does_not_fail(text: str) -> None:
    SasToken.parse(text)
    SasToken.parse(f"SharedAccessSignature {text}")


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.integers(0, 2**40), st.none() | st.text(min_size=1))
def test_what_was_signed_is_accepted_and_nothing_else(resource: str, expiry: int, policy: str | None) -> None:
    if policy is not None and not policy.isprintable():
        policy = "policy"
    parsed = SasToken.parse(sign(resource, KEY, expiry, policy))
    assert parsed is not None
    assert (parsed.resource, parsed.expiry, parsed.policy) == (resource, expiry, policy)
    assert parsed.signed_by([KEY])
    later = SasToken(parsed.signed_resource, parsed.signature, expiry + 1, policy)
    assert not later.signed_by([KEY])


@pytest.mark.parametrize("key", ["not base64!", "abc=d", "秘密の鍵"])
def test_a_key_that_is_not_base64_is_a_problem_that_does_not_tell_the_key(key: str) -> None:
    with pytest.raises(Problem) as met:
        sign("hub", Secret(key), EXPIRY)
    assert met.value.code == "key-malformed"
    assert key not in str(met.value.document())
