"""Options by which an edge device fetches its identity when it is started for the first time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hotori.cli.options import run
from hotori.model.secret import Secret
from hotori.sdk.connection_file import HubAddress, read_text

if TYPE_CHECKING:
    from hotori.edge.enrolment import EnrolmentFile


@dataclass(frozen=True, slots=True)
class Provisioning:
    """Where the device asks, as whom, and with which key."""

    host: str
    scope: str
    registration: str
    key: Secret

    def fetch(self, ca: Path, mqtt_port: int, https_port: int) -> EnrolmentFile:
        """Register and be assigned. Raises what `sdk.provisioning.provision` raises."""
        from hotori.edge.enrolment import EnrolmentFile
        from hotori.sdk.provisioning import Applicant, provision

        authority = read_text(ca)
        address = self.host if https_port == 443 else f"{self.host}:{https_port}"
        connection = run(provision(Applicant(address, self.scope, self.registration, self.key), authority))
        return EnrolmentFile(connection, authority, HubAddress(self.host, mqtt_port, https_port))


_OPTIONS = (
    click.option("--provisioning-host", metavar="HOST", help="Fetch the identity from this cloud on the first start."),
    click.option("--id-scope", help="What that cloud is called by (hotori enrolment scope)."),
    click.option("--registration-id", metavar="NAME", help="The device's name in its enrolment."),
    click.option(
        "--symmetric-key",
        envvar="HOTORI_PROVISIONING_KEY",
        help="The enrolment's key; better by HOTORI_PROVISIONING_KEY.",
    ),
)


def provisioning_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives the command `provisioning`: a `Provisioning`, or None."""

    @functools.wraps(command)
    def gathered(*arguments: Any, **values: Any) -> Any:
        names = ("provisioning_host", "id_scope", "registration_id", "symmetric_key")
        host, *rest = (values.pop(name) for name in names)
        if host and not all(rest):
            raise click.UsageError("--provisioning-host needs --id-scope, --registration-id and --symmetric-key")
        scope, registration, key = rest
        provisioning = Provisioning(host, scope, registration, Secret(key)) if host else None
        return command(*arguments, provisioning=provisioning, **values)

    wrapped: Callable[..., Any] = gathered
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
