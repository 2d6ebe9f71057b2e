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
    from hotori.net.own_certificate import OwnCertificate


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """The files of a certificate and its private key, as they were given; read when they are needed."""

    certificate: Path
    key: Path

    def read(self) -> OwnCertificate:
        """Raises `certificate-unusable`."""
        from hotori.net.own_certificate import OwnCertificate

        return OwnCertificate.read(self.certificate, self.key)


@dataclass(frozen=True, slots=True)
class Provisioning:
    """Where the device asks, as whom, and with which key or certificate."""

    host: str
    scope: str
    registration: str | None
    key: Secret
    shown: ShownCertificate | None = None

    def fetch(self, ca: Path, mqtt_port: int, https_port: int) -> EnrolmentFile:
        """Register and be assigned; a certificate's name is the registration's unless that is given.

        Raises what `sdk.provisioning.provision` raises, and `certificate-unusable`.
        """
        from hotori.edge.enrolment import EnrolmentFile
        from hotori.sdk.provisioning import Applicant, provision

        authority, certificate = read_text(ca), self.shown.read() if self.shown else None
        registration = self.registration or (certificate.common_name if certificate else "")
        address = self.host if https_port == 443 else f"{self.host}:{https_port}"
        applicant = Applicant(address, self.scope, registration, self.key, certificate)
        hub = HubAddress(self.host, mqtt_port, https_port)
        return EnrolmentFile(run(provision(applicant, authority)), authority, hub, certificate=certificate)


_CERTIFICATE = (
    click.option(
        "--certificate",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The certificate by which the device shows who it is, with its chain (PEM); instead of a key.",
    ),
    click.option(
        "--private-key",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The certificate's private key (PEM, without a passphrase).",
    ),
)

_OPTIONS = (
    click.option("--provisioning-host", metavar="HOST", help="Fetch the identity from this cloud on the first start."),
    click.option("--id-scope", help="What that cloud is called by (hotori enrolment scope)."),
    click.option(
        "--registration-id",
        metavar="NAME",
        help="The device's name in its enrolment; unless given, its certificate's common name.",
    ),
    click.option(
        "--symmetric-key",
        envvar="HOTORI_PROVISIONING_KEY",
        help="The enrolment's key; better by HOTORI_PROVISIONING_KEY.",
    ),
)


def certificate_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives the command `shown`: a `ShownCertificate`, or None."""

    @functools.wraps(command)
    def gathered(*arguments: Any, **values: Any) -> Any:
        certificate, key = values.pop("certificate"), values.pop("private_key")
        if (certificate is None) != (key is None):
            raise click.UsageError("--certificate and --private-key belong together")
        shown = ShownCertificate(certificate, key) if certificate else None
        return command(*arguments, shown=shown, **values)

    return _with(gathered, _CERTIFICATE)


def provisioning_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives the command `provisioning`: a `Provisioning`, or None; and `shown`, as `certificate_options` does."""

    @functools.wraps(command)
    def gathered(*arguments: Any, shown: ShownCertificate | None, **values: Any) -> Any:
        names = ("provisioning_host", "id_scope", "registration_id", "symmetric_key")
        host, scope, registration, key = (values.pop(name) for name in names)
        if host and not (scope and (shown or (registration and key))):
            raise click.UsageError(
                "--provisioning-host needs --id-scope, and --registration-id with --symmetric-key or a --certificate"
            )
        # A certificate goes before a key that only stands in the environment.
        secret = Secret("" if shown else key or "")
        provisioning = Provisioning(host, scope, registration, secret, shown) if host else None
        return command(*arguments, provisioning=provisioning, shown=shown, **values)

    return certificate_options(_with(gathered, _OPTIONS))


def _with(command: Callable[..., Any], options: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
