"""Enrolments of devices that provision themselves, and authorities that vouch for devices, for tools."""

from __future__ import annotations

from urllib.parse import quote

from hotori.model.json import JsonObject
from hotori.sdk.service import ServiceClient

_ANY = {"If-Match": "*"}


class EnrolmentClient:
    """Enrolments (contract 12.4) of single devices, or with `group` of groups.

    Raises `no-such-enrolment` where a name names none.
    """

    def __init__(self, service: ServiceClient, *, group: bool = False) -> None:
        self._service = service
        self._path = "/enrollmentGroups" if group else "/enrollments"

    async def scope(self) -> str:
        """What devices call this cloud by."""
        return str((await self._service.ask("GET", "/provisioning"))["idScope"])

    async def create(self, name: str, document: JsonObject) -> JsonObject:
        """Keys that the document leaves out are made. Raises `enrolment-exists`, `enrolment-malformed`."""
        created: JsonObject = await self._service.ask("PUT", self._one(name), document)
        return created

    async def replace(self, name: str, document: JsonObject) -> JsonObject:
        """Keys that the document leaves out stay."""
        changed: JsonObject = await self._service.ask("PUT", self._one(name), document, _ANY)
        return changed

    async def all(self) -> list[JsonObject]:
        """In the order of their names."""
        return await self._service.pages("POST", f"{self._path}/query", {"query": "SELECT * FROM enrollments"})

    async def get(self, name: str) -> JsonObject:
        """With its keys."""
        found: JsonObject = await self._service.ask("GET", self._one(name))
        return found

    async def delete(self, name: str) -> None:
        """Its devices stay."""
        await self._service.ask("DELETE", self._one(name), headers=_ANY)

    async def registrations(self, group: str) -> list[JsonObject]:
        """What came of those who came by a group."""
        return await self._service.pages("POST", f"/registrations/{quote(group, safe='')}/query", {"query": "*"})

    def _one(self, name: str) -> str:
        return f"{self._path}/{quote(name, safe='')}"


class AuthorityClient:
    """Authorities whose certificates let devices in. Raises `authority-unknown` where a name names none."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    async def add(self, name: str, certificate: str, *, verified: bool = True) -> JsonObject:
        """Register one (PEM). Raises `authority-exists`, `authority-unreadable`."""
        body: JsonObject = {"certificate": certificate, "isVerified": verified}
        added: JsonObject = await self._service.ask("PUT", _authority(name), body)
        return added

    async def all(self) -> list[JsonObject]:
        found: list[JsonObject] = (await self._service.ask("GET", "/certificates"))["value"]
        return found

    async def remove(self, name: str) -> None:
        await self._service.ask("DELETE", _authority(name), headers=_ANY)

    async def new_code(self, name: str) -> str:
        """What the common name of the proof has to be."""
        asked = await self._service.ask("POST", f"{_authority(name)}/generateVerificationCode")
        return str(asked["properties"]["verificationCode"])

    async def verify(self, name: str, proof: str) -> JsonObject:
        """Raises `possession-unproven`."""
        verified: JsonObject = await self._service.ask("POST", f"{_authority(name)}/verify", {"certificate": proof})
        return verified


def _authority(name: str) -> str:
    return f"/certificates/{quote(name, safe='')}"
