"""Direct methods: a question to a connected device or module, and its answer."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from hotori.model.identity import Identity
from hotori.model.json import Json

MAX_NAME = 100
MAX_PAYLOAD = 128 * 1024


class MethodError(Exception):
    """A method call without an answer.

    * NotOnlineError: nobody is there to ask (HTTP 404, code 404103; contract 1.8).
    * MethodTimeoutError: asked, and no answer in time (HTTP 504, code 504101).
    * MethodInvalidError: the name or payload breaks a limit (HTTP 400).
    """

    def __init__(self, identity: Identity, name: str, reason: str) -> None:
        super().__init__(f"method {name} of {identity}: {reason}")
        self.identity, self.name, self.reason = identity, name, reason


class NotOnlineError(MethodError):
    """The identity is not connected, or not subscribed to methods."""


class MethodTimeoutError(MethodError):
    """The identity was asked and did not answer in time."""


class MethodInvalidError(MethodError):
    """The call breaks a limit of the contract (1.8)."""


class _AnswerTooLargeError(Exception):
    """The answer breaks the limit of the contract (1.8)."""


@dataclass(frozen=True, slots=True)
class MethodResult:
    """What the device answered: its own status (not HTTP's) and a JSON value."""

    status: int
    payload: Json


class Callee(Protocol):
    """A connected client that takes method calls."""

    def call(self, name: str, request: str, payload: bytes) -> None:
        """Send the call; `request` comes back with the answer."""
        ...


class Callees(Protocol):
    """Finds who can be called."""

    async def callee(self, identity: Identity, timeout: float) -> Callee | None:
        """The client, waiting up to `timeout` seconds for it to come; None where it does not."""
        ...


class Methods:
    """Sends calls and pairs answers with them. `done` is told of each that was sent, and after how many seconds it
    ended, answered or not."""

    def __init__(self, callees: Callees, done: Callable[[Identity, float], None] = lambda *_: None) -> None:
        self._callees, self._done = callees, done
        self._numbers = itertools.count(1)
        self._waiting: dict[tuple[Identity, str], asyncio.Future[MethodResult]] = {}

    async def invoke(
        self,
        identity: Identity,
        name: str,
        payload: Json = None,
        response_timeout: float = 30.0,
        connect_timeout: float = 0.0,
    ) -> MethodResult:
        """Call and wait. Times are in seconds. Raises NotOnlineError, MethodTimeoutError, MethodInvalidError."""
        body = _payload(identity, name, payload)
        callee = await self._callees.callee(identity, connect_timeout)
        if callee is None:
            raise NotOnlineError(identity, name, "not connected, or not subscribed to methods")
        request = f"{next(self._numbers):x}"
        answer: asyncio.Future[MethodResult] = asyncio.get_running_loop().create_future()
        self._waiting[identity, request] = answer
        began = time.monotonic()
        try:
            callee.call(name, request, body)
            async with asyncio.timeout(response_timeout):
                return await answer
        except _AnswerTooLargeError as error:
            fault = f"the answer has more than {MAX_PAYLOAD} bytes"
            raise MethodInvalidError(identity, name, fault) from error
        except TimeoutError as error:
            raise MethodTimeoutError(identity, name, f"no answer in {response_timeout:g} s") from error
        finally:
            self._waiting.pop((identity, request), None)
            self._done(identity, time.monotonic() - began)

    def answered(self, identity: Identity, request: str, status: int, payload: bytes) -> None:
        """Take an answer from the wire; one that nobody waits for is let go. Raises ValueError if it is not JSON."""
        value: Json = msgspec.json.decode(payload) if payload.strip() else None
        answer = self._waiting.get((identity, request))
        if answer is None or answer.done():
            return
        if len(payload) > MAX_PAYLOAD:
            answer.set_exception(_AnswerTooLargeError())
        else:
            answer.set_result(MethodResult(status, value))


def _payload(identity: Identity, name: str, payload: Json) -> bytes:
    fault = _name_fault(name)
    body = msgspec.json.encode(payload)
    if len(body) > MAX_PAYLOAD:
        fault = f"the payload has more than {MAX_PAYLOAD} bytes"
    if fault:
        raise MethodInvalidError(identity, name, fault)
    return body


_NAME_FAULTS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda name: not name, "the name is empty"),
    (lambda name: len(name) > MAX_NAME, f"the name has more than {MAX_NAME} characters"),
    (lambda name: any(mark in name for mark in "/+#\0"), "the name has one of / + #"),
)


def _name_fault(name: str) -> str | None:
    return next((words for broken, words in _NAME_FAULTS if broken(name)), None)
