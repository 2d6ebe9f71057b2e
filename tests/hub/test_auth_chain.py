"""Who may speak for whom (contract 11.3), judged as values and refused on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from hotori.hub.auth_chain import AuthChain, MalformedChainError, chain_to, judge_on_behalf, judge_place
from hotori.hub.credentials import Admission, Claim, Refusal
from hotori.hub.directory import DirectoryNotReadyError
from hotori.model.identity import EDGE_HUB, Identity
from hotori.model.sas import SasToken, sign
from hotori.mqtt.packets import Connack, ConnackCode, Connect
from hotori.problems import Problem
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import FAR_FUTURE, BookDirectory, SmallHub
from hotori.testing.wire_client import WireClient

HUB = "hub.example.test"
LEAF, SENDER = Identity("leaf"), Identity("bottom", "sender")


def a_house() -> BookDirectory:
    """cloud <- edge-1 <- middle <- bottom <- leaf"""
    book = BookDirectory("edge-1", "edge-1/$edgeHub", "bottom/sender", "bottom/$edgeHub", "middle/$edgeHub")
    book.add(Identity("middle"), edge=True, behind="edge-1")
    book.add(Identity("bottom"), edge=True, behind="middle")
    book.add(LEAF, behind="bottom")
    return book


def a_claim(book: BookDirectory, identity: Identity, actor: str, *, signer: Identity | None = None) -> Claim:
    resource = Identity(actor, EDGE_HUB)
    token = SasToken.parse(sign(f"{HUB}/{resource.path()}", book.key(signer or resource), FAR_FUTURE))
    return Claim(identity, HUB, token)


async def judged(book: BookDirectory, claim: Claim, chain: str, host: str | None = None) -> Admission | str:
    verdict = await judge_on_behalf(claim, AuthChain.parse(chain), book, (HUB,), host, 0.0)
    if isinstance(verdict, Refusal):
        assert verdict.code == ConnackCode.NOT_AUTHORIZED
        return verdict.problem.code
    return verdict


@pytest.mark.parametrize(
    ("target", "chain", "host"),
    [
        (LEAF, "leaf;bottom", "middle"),
        (LEAF, "leaf;bottom;middle", "edge-1"),
        (LEAF, "leaf;bottom;middle;edge-1", None),
        (SENDER, "bottom/sender;bottom", "middle"),
        (SENDER, "bottom/sender;bottom;middle;edge-1", None),
        (Identity("bottom"), "bottom;middle", "edge-1"),
    ],
)
async def test_an_edge_hub_speaks_for_everyone_below_it(target: Identity, chain: str, host: str | None) -> None:
    book = a_house()
    claim = a_claim(book, target, AuthChain.parse(chain).actor.device)

    assert await judged(book, claim, chain, host) == Admission(target, FAR_FUTURE)


@pytest.mark.parametrize(
    ("target", "chain", "host", "problem"),
    [
        (LEAF, "bottom/sender;bottom", "middle", "auth-chain-broken"),
        (LEAF, "leaf;middle", "edge-1", "auth-chain-broken"),
        (LEAF, "leaf;bottom;edge-1", None, "auth-chain-broken"),
        (LEAF, "leaf;bottom", "edge-1", "auth-chain-broken"),
        (Identity("middle"), "middle;bottom", None, "auth-chain-broken"),
        (Identity("stranger"), "stranger;bottom", "middle", "identity-unknown"),
        (LEAF, "leaf;nobody", None, "identity-unknown"),
    ],
)
async def test_a_chain_with_a_missing_or_wrong_link_is_refused(
    target: Identity, chain: str, host: str | None, problem: str
) -> None:
    book = a_house()
    actor = AuthChain.parse(chain).actor.device
    claim = a_claim(book, target, actor, signer=None if actor != "nobody" else LEAF)

    assert await judged(book, claim, chain, host) == problem


async def test_the_token_must_be_the_actors_edge_hubs() -> None:
    book = a_house()
    own = SasToken.parse(sign(f"{HUB}/{LEAF.path()}", book.key(LEAF), FAR_FUTURE))
    forged = a_claim(book, LEAF, "bottom", signer=LEAF)
    expired = SasToken.parse(sign(f"{HUB}/{Identity('bottom', EDGE_HUB).path()}", book.key(LEAF), 1))

    for claim, problem in (
        (replace(forged, token=own), "token-foreign"),
        (forged, "signature-wrong"),
        (replace(forged, token=None), "token-missing"),
        (replace(forged, hub="other"), "hub-name-foreign"),
    ):
        assert await judged(book, claim, "leaf;bottom", "middle") == problem
    late = await judge_on_behalf(
        replace(forged, token=expired), AuthChain.parse("leaf;bottom"), book, (HUB,), "middle", 2000.0
    )
    assert isinstance(late, Refusal)
    assert late.problem.code == "token-expired"


@pytest.mark.parametrize("disabled", ["leaf", "bottom", "middle"])
async def test_whoever_is_disabled_in_the_chain_ends_it(disabled: str) -> None:
    book = a_house()
    book.disable(Identity(disabled))

    assert await judged(book, a_claim(book, LEAF, "middle"), "leaf;bottom;middle", "edge-1") == "identity-disabled"


@pytest.mark.parametrize("text", ["", ";", "a;;b", "a/m", "a/m;b", "a;b/m", "a;b;a", ";".join(map(str, range(20)))])
def test_what_is_no_chain_is_named_so(text: str) -> None:
    with pytest.raises(MalformedChainError):
        AuthChain.parse(text)


@pytest.mark.parametrize("text", ["leaf", "leaf;bottom;middle", "bottom/sender;bottom", "bottom/sender;bottom;middle"])
def test_a_chain_is_written_as_it_was_read(text: str) -> None:
    assert str(AuthChain.parse(text)) == text


async def test_an_edge_device_finds_the_chain_to_everyone_below_it() -> None:
    book = a_house()
    assert str(await chain_to(LEAF, book, "edge-1")) == "leaf;bottom;middle;edge-1"
    assert str(await chain_to(SENDER, book, "bottom")) == "bottom/sender;bottom"
    with pytest.raises(Problem, match="does not stand behind"):
        await chain_to(Identity("edge-1"), book, "middle")


async def test_an_edge_device_serves_only_its_own_and_those_directly_behind_it() -> None:
    """11.1: when the leaf's parent is this edge device."""
    book = a_house()
    assert await judge_place(LEAF, book, "bottom") is None
    assert await judge_place(SENDER, book, "bottom") is None
    assert await judge_place(Identity("bottom", EDGE_HUB), book, "middle") is None
    refused = await judge_place(LEAF, book, "middle")
    assert refused is not None
    assert refused.problem.code == "identity-elsewhere"


@pytest.fixture
async def middle(tmp_path: Path) -> AsyncIterator[SmallHub]:
    async with SmallHub(tmp_path / "middle", loopback_address(), a_house(), name=HUB, device="middle") as hub:
        yield hub


async def code(hub: SmallHub, identity: Identity, actor: str, chain: str) -> int:
    """How the hub answers a CONNECT on behalf of somebody."""
    token = sign(f"{HUB}/{Identity(actor, EDGE_HUB).path()}", hub.directory.key(Identity(actor, EDGE_HUB)), FAR_FUTURE)
    user = f"{HUB}/{identity}/?api-version=2021-04-12&auth-chain={chain}"
    client = await WireClient.dial(hub)
    client.send(Connect(str(identity), user, token.encode(), keep_alive=60))
    answer = await client.expect(Connack)
    await client.close()
    return int(answer.code)


async def test_refusals_on_the_wire_are_for_good_only_where_nothing_could_mend_them(middle: SmallHub) -> None:
    """11.3, 1.3: 0, 5 for a chain that is wrong, 4 for one that cannot be read, 3 while nobody knows."""
    assert await code(middle, LEAF, "bottom", "leaf%3Bbottom") == 0
    assert await code(middle, LEAF, "bottom", "leaf;bottom") == 0
    assert await code(middle, LEAF, "edge-1", "leaf;edge-1") == 5
    assert await code(middle, LEAF, "bottom", "leaf;bottom;bottom") == 4
    middle.directory.ready = False
    assert await code(middle, LEAF, "bottom", "leaf;bottom") == 3
    with pytest.raises(DirectoryNotReadyError):
        await middle.directory.find(LEAF)


async def test_whoever_is_spoken_for_is_cut_off_with_its_speaker(middle: SmallHub) -> None:
    book = middle.directory
    resource = Identity("bottom", EDGE_HUB)
    token = sign(f"{HUB}/{resource.path()}", book.key(resource), FAR_FUTURE)
    user = f"{HUB}/leaf/?api-version=2021-04-12&auth-chain=leaf;bottom"
    client = await WireClient.dial(middle)
    client.send(Connect("leaf", user, token.encode(), keep_alive=60))
    assert (await client.expect(Connack)).code == 0

    middle.hub.disconnect_behind("bottom")

    async with asyncio.timeout(30):
        await client.expect_closed()
    assert not middle.hub.sessions.connected(LEAF)
