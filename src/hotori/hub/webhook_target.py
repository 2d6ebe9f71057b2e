"""Messages posted to a web address: CloudEvents or plain JSON, signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import msgspec

from hotori.hub.endpoint_spec import WebhookSpec
from hotori.hub.moment import written_time
from hotori.hub.target import NotTakenError, Parcel
from hotori.model.json import JsonObject
from hotori.model.message_document import body_document, message_document
from hotori.model.secret import Secret

SIGNATURE = "Hotori-Signature"
_CLOUD_EVENTS = "application/cloudevents-batch+json; charset=utf-8"
_JSON = "application/json; charset=utf-8"
TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Posts batches; any answer from 200 to 299 means that they were taken."""

    spec: WebhookSpec
    hub: str
    client: httpx.AsyncClient
    clock: Callable[[], float]

    async def send(self, batch: Sequence[Parcel]) -> None:
        body, content_type = self._written(batch)
        headers = {"Content-Type": content_type}
        if self.spec.secret is not None:
            headers[SIGNATURE] = signature(self.spec.secret, int(self.clock()), body)
        try:
            response = await self.client.post(self.spec.url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise NotTakenError(str(error) or type(error).__name__) from error
        if not response.is_success:
            raise NotTakenError(f"HTTP {response.status_code} {response.reason_phrase}")

    async def close(self) -> None:
        await self.client.aclose()

    def _written(self, batch: Sequence[Parcel]) -> tuple[bytes, str]:
        if self.spec.cloud_events:
            return msgspec.json.encode([cloud_event(self.hub, parcel) for parcel in batch]), _CLOUD_EVENTS
        documents = [{"number": parcel.number, **message_document(parcel.message)} for parcel in batch]
        return msgspec.json.encode(documents), _JSON


def signature(secret: Secret, now: int, body: bytes) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA256 with the secret over the seconds, a dot, and the body.

    Who checks it takes the time from the header and refuses what is too old: a copy is worth nothing later.
    """
    digest = hmac.new(secret.reveal().encode(), b"%d." % now + body, hashlib.sha256).hexdigest()
    return f"t={now},v1={digest}"


def cloud_event(hub: str, parcel: Parcel) -> JsonObject:
    """CloudEvents 1.0, JSON format: the pair of `source` and `id` is the same each time that a message is sent."""
    message = parcel.message
    sender = message.sender
    path = "/".join(quote(part, safe="") for part in str(sender).split("/")) if sender else ""
    event: JsonObject = {
        "specversion": "1.0",
        "type": "dev.hotori.message",
        "source": f"//{hub}/devices/{path}",
        "id": str(parcel.number),
        "time": written_time(message.enqueued_at),
        "hotoriproperties": msgspec.json.encode(dict(message.properties)).decode(),
    }
    if message.output is not None:
        event["subject"] = message.output
    if "traceparent" in message.properties:
        event["traceparent"] = message.properties["traceparent"]
    return event | _data(parcel)


def _data(parcel: Parcel) -> JsonObject:
    message = parcel.message
    content = {"datacontenttype": message.content_type} if message.content_type else {}
    body = body_document(message)
    if isinstance(body, dict) and body.keys() == {"base64"}:
        return {**content, "data_base64": base64.b64encode(message.body).decode()}
    return {**content, "data": body}
