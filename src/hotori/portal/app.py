"""The portal over the cloud's own parts."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from starlette.applications import Starlette

from hotori.cloud.main import ACCOUNT, USER, CloudParts
from hotori.hub.hub_problems import hub_problems
from hotori.hub.streams.order import StreamKind, StreamOrder
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.objects.blob_files import BlobFiles
from hotori.objects.errors import StorageError
from hotori.portal.dependencies import PortalDependencies
from hotori.portal.site import portal_site
from hotori.sdk.stream_frames import Frame

PICTURES = "pictures"
"""The container that the uploader module fills."""
LINES = 200
"""Of a module's log that are shown before those to come."""


def portal_app(parts: CloudParts) -> Starlette:
    """The portal of the cloud that is made of these parts."""

    services = parts.services

    async def reported(identity: Identity) -> JsonObject:
        return (await services.hub.twins.get(identity)).reported.values

    async def picture(name: str) -> bytes | None:
        return await _read(parts.blobs, name)

    def follow_log(module: Identity) -> AsyncGenerator[Frame, None]:
        order = StreamOrder(StreamKind.LOGS, module.device, str(module.module), by="portal", chosen={"tail": LINES})
        return services.streams.follow(order)

    return portal_site(
        PortalDependencies(
            hub_name=services.hub.name,
            devices=services.registry,
            presence=services.hub.sessions.presence,
            reported=reported,
            events=services.events,
            picture=picture,
            follow_log=follow_log,
            user=USER,
            password=parts.credentials.portal_password,
            signing_key=parts.credentials.portal_signing_key,
            problems=lambda: hub_problems(services.hub, services.events),
        )
    )


async def _read(blobs: BlobFiles, name: str) -> bytes | None:
    try:
        return await blobs.read(await blobs.container(ACCOUNT, PICTURES), name)
    except StorageError:
        return None
