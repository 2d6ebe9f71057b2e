"""Twin requests that wait for their answers."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.twin import Section, without_control
from hotori.mqtt.topics import TwinReply
from hotori.problems import Problem
from hotori.problems.connections import TWIN_REFUSED
from hotori.sdk.mqtt_client import ConnectionLostError


@dataclass(frozen=True, slots=True)
class TwinDocument:
    """A twin as its device reads it; the values are without `$version`, which is the section's."""

    desired: Section
    reported: Section


@dataclass(frozen=True, slots=True)
class TwinAnswer:
    """What the hub answered: the reply's topic and body."""

    reply: TwinReply
    body: bytes


class TwinRequests:
    """Matches answers with requests by their request id."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._waiting: dict[str, asyncio.Future[TwinAnswer]] = {}

    async def ask(self, publish: Callable[[str], None], request: str) -> TwinAnswer:
        """Publish with a new request id, and wait. Raises ConnectionLostError, or `twin-refused`."""
        rid = secrets.token_hex(8)
        waiting: asyncio.Future[TwinAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[rid] = waiting
        try:
            publish(rid)
            answer = await waiting
        finally:
            del self._waiting[rid]
        status = answer.reply.status
        if status >= 300:
            reason = answer.body.decode(errors="replace")[:500] or "no reason given"
            raise Problem(TWIN_REFUSED, request=request, identity=self._identity, status=status, reason=reason)
        return answer

    def answer(self, reply: TwinReply, body: bytes) -> None:
        waiting = self._waiting.get(reply.rid)
        if waiting is not None and not waiting.done():
            waiting.set_result(TwinAnswer(reply, body))

    def lose(self, reason: str) -> None:
        """The connection is gone, and the answers with it."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionLostError(reason))


def read_twin(body: bytes) -> TwinDocument:
    """The document of a twin GET (contract 1.7). Raises ValueError."""
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("a twin is a JSON object")
    return TwinDocument(_section(document.get("desired")), _section(document.get("reported")))


def _section(value: object) -> Section:
    values: JsonObject = value if isinstance(value, dict) else {}
    version = values.get("$version")
    return Section(without_control(values), version if isinstance(version, int) else 0)
