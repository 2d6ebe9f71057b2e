"""Connection strings: `HostName=…;DeviceId=…;SharedAccessKey=…`, one line that says where and as whom."""

from __future__ import annotations

from dataclasses import dataclass

from hotori.model.identity import Identity
from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.problems.identity import CONNECTION_STRING_MALFORMED


def parse_pairs(text: str) -> dict[str, str]:
    """The `Name=value` pairs; values may contain `=`. Raises `connection-string-malformed`."""
    pairs: dict[str, str] = {}
    for part in filter(None, text.strip().split(";")):
        name, equals, value = part.partition("=")
        if not equals or not name or not value:
            raise Problem(CONNECTION_STRING_MALFORMED, detail="One part has no name or no value")
        pairs[name] = value
    return pairs


def _required(pairs: dict[str, str], *names: str) -> list[str]:
    missing = [name for name in names if name not in pairs]
    if missing:
        raise Problem(CONNECTION_STRING_MALFORMED, detail=f"{' and '.join(missing)} must be there and is not")
    return [pairs[name] for name in names]


@dataclass(frozen=True, slots=True)
class IdentityConnection:
    """What a device or module needs to connect. `gateway` is the edge device to go through, if any.

    An empty key means that it shows a certificate instead.
    """

    host: str
    identity: Identity
    key: Secret
    gateway: str | None = None

    @classmethod
    def parse(cls, text: str, *, certificates: bool = False) -> IdentityConnection:
        """Read the line; `x509=true` in the key's place is understood where the caller can show `certificates`.

        Raises `connection-string-malformed`.
        """
        pairs = parse_pairs(text)
        if certificates and pairs.get("x509", "").lower() == "true":
            pairs = {"SharedAccessKey": "", **pairs}
        host, device, key = _required(pairs, "HostName", "DeviceId", "SharedAccessKey")
        identity = Identity(device, pairs.get("ModuleId"))
        return cls(host, identity, Secret(key), pairs.get("GatewayHostName"))

    @property
    def by_certificate(self) -> bool:
        return not self.key

    def format(self) -> str:
        """The line with its key: for the owner's eyes and files only."""
        module = f";ModuleId={self.identity.module}" if self.identity.module else ""
        gateway = f";GatewayHostName={self.gateway}" if self.gateway else ""
        proof = f"SharedAccessKey={self.key.reveal()}" if self.key else "x509=true"
        return f"HostName={self.host};DeviceId={self.identity.device}{module};{proof}{gateway}"


@dataclass(frozen=True, slots=True)
class ServiceConnection:
    """What a tool needs to manage a hub: a policy's name and key. `host` may carry `:port` (HTTPS only)."""

    host: str
    policy: str
    key: Secret

    @classmethod
    def parse(cls, text: str) -> ServiceConnection:
        pairs = parse_pairs(text)
        host, policy, key = _required(pairs, "HostName", "SharedAccessKeyName", "SharedAccessKey")
        return cls(host, policy, Secret(key))

    def format(self) -> str:
        """The line with its key: for the owner's eyes and files only."""
        return f"HostName={self.host};SharedAccessKeyName={self.policy};SharedAccessKey={self.key.reveal()}"


@dataclass(frozen=True, slots=True)
class StorageConnection:
    """What a client needs of an object store: account, key and the endpoint's URL (with the account in it)."""

    account: str
    key: Secret
    endpoint: str

    @classmethod
    def parse(cls, text: str) -> StorageConnection:
        pairs = parse_pairs(text)
        account, key, endpoint = _required(pairs, "AccountName", "AccountKey", "BlobEndpoint")
        return cls(account, Secret(key), endpoint.rstrip("/"))

    def format(self) -> str:
        """The line with its key: for the owner's eyes and files only."""
        scheme = self.endpoint.partition(":")[0]
        return (
            f"DefaultEndpointsProtocol={scheme};AccountName={self.account}"
            f";AccountKey={self.key.reveal()};BlobEndpoint={self.endpoint};"
        )
