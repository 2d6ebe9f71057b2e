"""The hub's HTTPS port, with the object store behind it: devices that upload files know one name and one port."""

from __future__ import annotations

from hotori.net.http import AsgiApp, Receive, Scope, Send


def with_storage(service: AsgiApp, storage: AsgiApp, account: str) -> AsgiApp:
    """What begins with the account's name is the object store's, everything else the service API's."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inside = scope["type"] == "http" and scope["path"].startswith(f"/{account}/")
        await (storage if inside else service)(scope, receive, send)

    return app
