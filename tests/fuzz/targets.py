"""Everything that reads what strangers write, as functions of bytes: none may raise but what it declares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

import msgspec

from hotori.hub.auth_chain import AuthChain, MalformedChainError
from hotori.hub.conversation import read_patch
from hotori.hub.credentials import Claim, judge, read_claim
from hotori.hub.dialect import IotHubDialect
from hotori.hub.endpoint_spec import read_spec
from hotori.hub.identity_document import read_draft
from hotori.hub.job import read_job
from hotori.hub.method_request import MethodRequest
from hotori.hub.plain_dialect import PlainDialect
from hotori.hub.provisioning.enrolment_document import enrolment_document, read_enrolment
from hotori.hub.provisioning.topics import parse_request, read_user_name
from hotori.hub.provisioning.words import check_register
from hotori.hub.published import delivered, published
from hotori.hub.query.evaluate import wanted
from hotori.hub.query.fault import QueryFaultError
from hotori.hub.query.parser import parse_condition, parse_query
from hotori.hub.registration import Registration
from hotori.hub.service_api.call import as_object, parse_json
from hotori.hub.streams.order import StreamKind, StreamOrder
from hotori.hub.twin_write import TwinWrite
from hotori.model.configuration import Configuration
from hotori.model.connection_string import IdentityConnection, ServiceConnection
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.manifest import AgentConfig, HubConfig, Manifest, RouteSpec
from hotori.model.message import Message
from hotori.model.message_document import MessageDocumentError, message_document, read_message
from hotori.model.sas import SasToken
from hotori.model.secret import Secret
from hotori.model.twin import Twin, check_section
from hotori.mqtt.bag import MalformedBagError, bag_from_message, message_from_bag
from hotori.mqtt.decoder import Cutter, Decoder
from hotori.mqtt.decoder5 import Decoder5
from hotori.mqtt.encoder import encode
from hotori.mqtt.encoder5 import encode5
from hotori.mqtt.greeting import Greeting
from hotori.mqtt.packets import Connect, MalformedPacketError
from hotori.mqtt.packets5 import Publish5
from hotori.mqtt.run_decoder import RunDecoder
from hotori.mqtt.topics import matches, parse_client_topic, parse_server_topic
from hotori.net.websocket import Tunnel, WebsocketProtocol
from hotori.problems import Problem
from hotori.routing.fault import RouteFaultError
from hotori.routing.grammar import parse_route
from hotori.routing.router import Router
from hotori.sdk.stream import read_line
from hotori.sdk.stream_frames import Frame, FrameKind, FrameReader, MalformedStreamError

_LARGEST = 1 << 16
_DEVICE, _MODULE = Identity("dev-1"), Identity("dev-1", "m")
_KEY = Secret("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
_REGISTERED = Registration(_DEVICE, "1", _KEY, _KEY)


def packets(data: bytes) -> None:
    """What is read is written as it was, and read again as it was."""
    with suppress(MalformedPacketError):
        read = Decoder(_LARGEST).feed(data)
        assert Decoder(_LARGEST).feed(b"".join(map(encode, read))) == read


def runs(data: bytes) -> None:
    """The hub's decoder takes what the plain one takes, and refuses what it refuses."""
    assert _refuses(RunDecoder(_LARGEST, "a/"), data) == _refuses(Decoder(_LARGEST), data)


def _refuses(decoder: Cutter[Any], data: bytes) -> bool:
    try:
        decoder.feed(data)
    except MalformedPacketError:
        return True
    return False


def packets5(data: bytes) -> None:
    with suppress(MalformedPacketError):
        read = Decoder5(_LARGEST).feed(data)
        assert Decoder5(_LARGEST).feed(b"".join(map(encode5, read))) == read
        for packet in read:
            if isinstance(packet, Publish5):
                _properties(packet)


def _properties(packet: Publish5) -> None:
    with suppress(MalformedBagError):
        message = published(Message(packet.payload), packet.properties, 1e9)
        encode5(Publish5("t", message.body, properties=delivered(message, 1e9, ())))


def greeting(data: bytes) -> None:
    """A CONNECT in pieces, and the judgement of what it claims."""
    taker = Greeting(_LARGEST)
    with suppress(MalformedPacketError):
        for start in range(0, len(data), 7):
            met = taker.feed(data[start : start + 7])
            if met is not None:
                _judged(met[0])


def _judged(connect: Connect) -> None:
    claim = read_claim(connect, secure=True)
    if isinstance(claim, Claim):
        judge(claim, _REGISTERED, None, ["hub.test"], 1e9)


def user_names(data: bytes) -> None:
    name, _, password = data.partition(b"\0")
    text = name.decode(errors="replace")
    _judged(Connect(text, text, password, clean_session=False))
    _judged(Connect("dev-1", f"hub.test/dev-1/?api-version=2021-04-12&{text}", password))


def topics(data: bytes) -> None:
    text = data.decode(errors="replace")
    for said in (parse_client_topic(text), parse_server_topic(text)):
        if said is not None:
            said.format()
    for dialect in (IotHubDialect(_MODULE), PlainDialect(_MODULE)):
        dialect.may_subscribe(text)
        with suppress(MalformedBagError):
            dialect.read(text, data)
    matches(text, text)
    matches(text[: len(text) // 2], text[len(text) // 2 :])


def bags(data: bytes) -> None:
    """What was understood means the same when it is written again."""
    with suppress(MalformedBagError):
        message = message_from_bag(data.decode(errors="replace"), b"")
        again = message_from_bag(bag_from_message(message, to_client=False), b"")
        assert again == message
        message_from_bag(data.decode(errors="replace"), b"", trusted=True)


def tokens(data: bytes) -> None:
    text = data.decode(errors="replace")
    for token in (SasToken.parse(text), SasToken.parse("SharedAccessSignature " + text)):
        if token is not None:
            assert token.resource is not None
            token.signed_by([_KEY])


def chains(data: bytes) -> None:
    with suppress(MalformedChainError, Problem):
        AuthChain.parse(data.decode(errors="replace"))


def twin_patches(data: bytes) -> None:
    """As a reported patch is taken: read, checked, merged, checked again."""
    patch = read_patch(data)
    if isinstance(patch, str):
        return
    with suppress(Problem):
        check_section(patch)
        twin = Twin().with_reported(patch).with_reported(patch)
        check_section(twin.reported.values)
        msgspec.json.encode(twin.reported.document())


def queries(data: bytes) -> None:
    text = data.decode(errors="replace")
    with suppress(QueryFaultError):
        parse_query(text)
    with suppress(QueryFaultError):
        wanted(parse_condition(text), {"deviceId": "dev-1", "tags": {"a": [1, "b", None]}})


def routes(data: bytes) -> None:
    """A route that is refused is refused alone; one that is taken is asked of a message."""
    text = data.decode(errors="replace")
    with suppress(RouteFaultError):
        parse_route(text)
    config = HubConfig({"fuzzed": RouteSpec("fuzzed", text), "good": RouteSpec("good", "FROM /* INTO $upstream")})
    router, _ = Router.compile_each(config)
    message = Message(b'{"a": [1, {"b": null}]}', {"k": "v"}, {"ct": "application/json", "ce": "utf-8"}, _MODULE)
    assert router.route(message, "/messages/modules/m/outputs/o")


def connection_strings(data: bytes) -> None:
    text = data.decode(errors="replace")
    for kind in (IdentityConnection, ServiceConnection):
        with suppress(Problem):
            kind.parse(text)


def registrations(data: bytes) -> None:
    """What a device says at the counter, and what a service enrols; what is taken is told again."""
    text = data.decode(errors="replace")
    parse_request(text)
    parse_request("$dps/registrations/GET/iotdps-get-operationstatus/?" + text)
    read_user_name(Connect(text, f"0ne/registrations/{text}", data, clean_session=True))
    with suppress(Problem):
        check_register(data, "reg-1")
    with suppress(Problem):
        document = as_object(parse_json(data))
        for group in (False, True):
            with suppress(Problem):
                enrolment = read_enrolment("reg-1", document, group=group, hub="hub.test")
                msgspec.json.encode(enrolment_document(enrolment))


class _Wire(asyncio.Transport):
    """A socket that keeps nothing, and a client's bytes for it."""

    def __init__(self) -> None:
        super().__init__()
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        assert data

    def close(self) -> None:
        self._closing = True

    abort = close

    def is_closing(self) -> bool:
        return self._closing


class _Inside(asyncio.Protocol):
    """Answers all that it is told."""

    _transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


_HANDSHAKE = (
    b"GET /in HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
)


def websockets(data: bytes) -> None:
    """A client's handshake, then frames as they come, and frames that are masked as a client's have to be."""
    for said in ([data], [_HANDSHAKE + data], [_HANDSHAKE, *_masked(data)]):
        ends: set[Any] = set()
        end = WebsocketProtocol((Tunnel("/in", "mqtt", _Inside),), ends)
        end.connection_made(_Wire())
        for piece in said:
            end.data_received(piece)
        end.eof_received()
        end.connection_lost(None)
        assert not ends


def _masked(data: bytes) -> Iterator[bytes]:
    """Frames of up to 125 bytes, each by a byte for its kind and one for its length."""
    while len(data) > 2:
        length = min(data[1] & 0x7F, 125, len(data) - 2)
        yield bytes((data[0], 0x80 | length)) + bytes(4) + data[2 : 2 + length]
        data = data[2 + length :]


def service_bodies(data: bytes) -> None:
    """The body of a request of the service API, for each that reads one."""
    try:
        document = as_object(parse_json(data))
    except Problem:
        return
    for read in _READERS:
        with suppress(Problem, QueryFaultError, MessageDocumentError):
            read(document)


_READERS: tuple[Callable[[JsonObject], object], ...] = (
    lambda said: read_draft(_DEVICE, said),
    lambda said: read_draft(_MODULE, said),
    TwinWrite.parse,
    MethodRequest.parse,
    lambda said: msgspec.json.encode(read_job("job-1", said, 1e9).document()),
    lambda said: Configuration.parse(said, "conf-1", 1e9),
    Manifest.parse,
    AgentConfig.parse,
    HubConfig.parse,
    lambda said: read_spec("endpoint-1", said),
    lambda said: StreamOrder.parse(StreamKind.SHELL, "d", "m", "p", said).document(),
    lambda said: StreamOrder.read(said).document(),
    lambda said: message_document(read_message(said)),
)


def stream_frames(data: bytes) -> None:
    """Frames in pieces are written as they were read; then each says what it can."""
    read_line(data)
    reader = FrameReader()
    found: list[Frame] = []
    with suppress(MalformedStreamError):
        for start in range(0, len(data), 11):
            found += reader.feed(data[start : start + 11])
    written = b"".join(frame.encode() for frame in found)
    assert data.startswith(written)
    for frame in [*found, Frame(FrameKind.PROBLEM, data)]:
        with suppress(MalformedStreamError):
            frame.document()
        with suppress(MalformedStreamError):
            problem = frame.problem()
            str(problem)
            Frame.of(FrameKind.PROBLEM, problem.document()).problem()


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        packets,
        runs,
        packets5,
        greeting,
        user_names,
        topics,
        bags,
        tokens,
        chains,
        twin_patches,
        queries,
        routes,
        connection_strings,
        registrations,
        websockets,
        service_bodies,
        stream_frames,
    )
}
