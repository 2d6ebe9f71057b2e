"""The document of a method call, as services and modules send it (contract 2.4)."""

from __future__ import annotations

from dataclasses import dataclass

from hotori.hub.methods import MethodResult, Methods
from hotori.model.identity import Identity
from hotori.model.json import Json, JsonObject
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED


@dataclass(frozen=True, slots=True)
class MethodRequest:
    """The body of a call; times in seconds.

    The payload is passed on as it is: where the caller gave none, one service client sends an empty text.
    """

    name: str
    payload: Json
    response_timeout: float
    connect_timeout: float

    @classmethod
    def parse(cls, document: JsonObject) -> MethodRequest:
        """Raises `request-malformed`."""
        name = document.get("methodName")
        if not isinstance(name, str) or not name:
            raise Problem(REQUEST_MALFORMED, reason="methodName is missing")
        return cls(
            name=name,
            payload=document.get("payload"),
            response_timeout=_seconds(document, "responseTimeoutInSeconds", 30.0, least=5),
            connect_timeout=_seconds(document, "connectTimeoutInSeconds", 0.0, least=0),
        )

    async def send(self, methods: Methods, identity: Identity) -> MethodResult:
        """Raises MethodError."""
        return await methods.invoke(identity, self.name, self.payload, self.response_timeout, self.connect_timeout)


def result_document(result: MethodResult) -> JsonObject:
    return {"status": result.status, "payload": result.payload}


def _seconds(document: JsonObject, name: str, default: float, least: float) -> float:
    value = document.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= 300:
        raise Problem(REQUEST_MALFORMED, reason=f"{name} is a number of seconds from {least:g} to 300")
    return float(value)
