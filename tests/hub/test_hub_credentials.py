"""Who may connect (contract 1.2 and 1.3): the judgement, over values."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotori.hub.credentials import Admission, Claim, Refusal, judge, read_claim
from hotori.hub.registration import Registration
from hotori.model.identity import Identity
from hotori.model.sas import sign
from hotori.model.secret import Secret
from hotori.mqtt.packets import Connect, Will

HUB = "hub.example.net"
NOW = 1_800_000_000.0
KEY = Secret("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
OTHER = Secret("ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=")
DEVICE, MODULE = Identity("dev-1"), Identity("dev-1", "mod-1")
VECTOR = (
    "SharedAccessSignature sr=hub.example.net%2Fdevices%2Fdev-1"
    "&sig=Vcoj757RwXSHnFNfKIZyutQiLHSA3v%2FIa%2Fsa32feesU%3D&se=1900000000"
)


def packet(identity: Identity = DEVICE, token: str | None = VECTOR, **fields: object) -> Connect:
    connect = Connect(
        str(identity), f"{HUB}/{identity}/?api-version=2019-10-01", token.encode() if token is not None else None
    )
    return replace(connect, **fields)  # type: ignore[arg-type]


def registered(identity: Identity = DEVICE, **fields: object) -> Registration:
    return replace(Registration(identity, "1", KEY, OTHER), **fields)  # type: ignore[arg-type]


def verdict(
    connect: Connect,
    registration: Registration | None,
    device: Registration | None = None,
    names: tuple[str, ...] = (HUB, "gateway.local"),
    now: float = NOW,
) -> Admission | tuple[int, str]:
    """The admission, or code and problem of the refusal."""
    claim = read_claim(connect)
    judged = judge(claim, registration, device, names, now) if isinstance(claim, Claim) else claim
    return (int(judged.code), judged.problem.code) if isinstance(judged, Refusal) else judged


def test_the_contracts_test_vector_is_admitted_until_its_token_ends() -> None:
    """0.4"""
    assert verdict(packet(), registered()) == Admission(DEVICE, 1_900_000_000)


@pytest.mark.parametrize(
    "user_name",
    [
        f"{HUB}/dev-1/?api-version=2019-10-01",
        f"{HUB}/dev-1/api-version=2021-04-12",
        f"{HUB.upper()}/dev-1/?api-version=2018-06-30&DeviceClientType=azure%2Fx%20y",
        f"{HUB}/dev-1/?DeviceClientType=a/b&api-version=9999-12-31",
    ],
)
def test_every_known_spelling_of_the_user_name_is_read(user_name: str) -> None:
    """1.2"""
    assert isinstance(verdict(packet(username=user_name), registered()), Admission)


@pytest.mark.parametrize(
    "user_name",
    [None, "", "de v", f"{HUB}/dev-1", f"{HUB}/dev-1/", f"{HUB}//?api-version=1", "/dev-1/?api-version=1",
     f"{HUB}/dev-1/?x=1", f"{HUB}/de v/?api-version=1"],
)  # fmt: skip
def test_a_user_name_that_cannot_be_read_is_refused_with_4(user_name: str | None) -> None:
    """1.2, 1.3"""
    assert verdict(packet(username=user_name), registered()) == (4, "user-name-malformed")


@pytest.mark.parametrize("client_id", ["dev-2", "", "dev-1/mod-1", "DEV-1"])
def test_a_client_id_that_is_not_the_identity_is_refused_with_2(client_id: str) -> None:
    """1.2, 1.3"""
    assert verdict(packet(client_id=client_id), registered()) == (2, "client-id-mismatch")


def test_another_level_of_the_protocol_is_refused_with_1() -> None:
    assert verdict(packet(level=6), registered()) == (1, "protocol-unsupported")


def test_the_model_id_is_read() -> None:
    """1.2"""
    claim = read_claim(packet(username=f"{HUB}/dev-1/?api-version=2020-09-30&model-id=dtmi%3Aa%3Bb%3B1"))
    assert isinstance(claim, Claim)
    assert claim.model_id == "dtmi:a;b;1"


def test_a_module_may_be_signed_for_by_its_own_key_or_by_its_devices() -> None:
    """1.3"""
    own = sign(f"{HUB}/devices/dev-1/modules/mod-1", OTHER, 1_900_000_000)
    device = registered(primary=Secret("QUFBQQ=="), secondary=KEY)
    assert verdict(packet(MODULE, own), registered(MODULE), device) == Admission(MODULE, 1_900_000_000)
    assert verdict(packet(MODULE), registered(MODULE), device) == Admission(MODULE, 1_900_000_000)
    assert verdict(packet(MODULE), registered(MODULE), replace(device, secondary=OTHER)) == (5, "signature-wrong")
    assert verdict(packet(MODULE), registered(MODULE), None) == (5, "identity-unknown")


def test_a_token_for_the_gateways_own_name_is_good_there() -> None:
    """1.3: the audience's host is the hub's name or the gateway's own, in any case"""
    token = sign("Gateway.LOCAL/devices/dev-1", KEY, 1_900_000_000)
    assert isinstance(verdict(packet(token=token), registered()), Admission)
    assert verdict(packet(token=token), registered(), names=(HUB,)) == (5, "token-foreign")


@pytest.mark.parametrize(
    ("connect", "registration", "problem"),
    [
        (packet(), None, "identity-unknown"),
        (packet(), registered(enabled=False), "identity-disabled"),
        (packet(), registered(primary=OTHER), "signature-wrong"),
        (packet(token=None), registered(), "token-missing"),
        (packet(token="secret"), registered(), "token-missing"),
        (packet(token=sign(f"{HUB}/devices/dev-2", KEY, 1_900_000_000)), registered(), "token-foreign"),
        (packet(token=sign(f"{HUB}/devices/dev-1", KEY, int(NOW) - 301)), registered(), "token-expired"),
        (packet(username="other/dev-1/?api-version=1"), registered(), "hub-name-foreign"),
        (packet(will=Will("devices/dev-2/messages/events/", b"")), registered(), "will-refused"),
        (packet(will=Will("devices/dev-1/messages/events/", b"", 2)), registered(), "will-refused"),
    ],
)
def test_credentials_that_are_truly_wrong_are_refused_with_5(
    connect: Connect, registration: Registration | None, problem: str
) -> None:
    """1.3"""
    assert verdict(connect, registration) == (5, problem)


def test_a_module_of_a_disabled_device_is_refused() -> None:
    own = sign(f"{HUB}/devices/dev-1/modules/mod-1", KEY, 1_900_000_000)
    assert verdict(packet(MODULE, own), registered(MODULE), registered(enabled=False)) == (5, "identity-disabled")


def test_clocks_may_differ_by_five_minutes() -> None:
    """1.3"""
    token = sign(f"{HUB}/devices/dev-1", KEY, int(NOW) - 299)
    assert isinstance(verdict(packet(token=token), registered()), Admission)


def test_a_refusal_never_shows_a_token_or_key() -> None:
    claim = read_claim(packet())
    assert isinstance(claim, Claim)
    refusal = judge(claim, registered(primary=OTHER), None, [HUB], NOW)
    assert isinstance(refusal, Refusal)
    assert "Vcoj757" not in f"{claim!r} {refusal!r} {refusal.problem.document()}"


@settings(deadline=None, max_examples=50)
@given(
    user_name=st.text(max_size=80),
    client_id=st.text(max_size=20),
    password=st.binary(max_size=60),
)
def test_no_claim_whatever_breaks_the_judgement(user_name: str, client_id: str, password: bytes) -> None:
    result = verdict(Connect(client_id, user_name, password), registered())
    assert isinstance(result, tuple)
    assert result[0] in (2, 4, 5)
