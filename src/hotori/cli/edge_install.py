"""`hotori edge install`: what makes a machine an edge device that starts with it, and how it is configured."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import click

from hotori.cli.options import answers
from hotori.cli.terminal import Terminal
from hotori.problems import Problem, Words
from hotori.problems.checks import CONFIGURATION_INVALID

CONFIG = Path("/etc/hotori/edge.toml")
SERVICE = "hotori-edge.service"
_ENROLMENT = Path("/etc/hotori/enrolment.json")

_TEMPLATE = """\
# The edge device of this machine. After a change: hotori edge config apply
# この機器のエッジデバイスの設定です。変更したら hotori edge config apply を実行してください。

# Who the device is: the file that `hotori device add NAME --edge --write FILE` wrote. Read once, at the first start.
enrolment = "/etc/hotori/enrolment.json"

# The address to listen on for modules and devices behind this one.
# Unless given: 127.0.0.1, or with a container engine this machine's address in the modules' network.
# listen = "192.168.1.20"

# The name that devices behind this one dial; unless given, the address.
# name = "edge-1.example.net"

# What runs the modules: "process", "docker" or "podman".
runtime = "{runtime}"

# The container engine's address, where it is not the usual one.
# docker-host = "unix:///run/docker.sock"

# The modules' network in the engine.
# network = "azure-iot-edge"

# Days after which an image that no module uses is removed, and megabytes of images above which it goes sooner.
# keep-images = 7
# image-budget = 4000

# Whether those with the right may open a shell in a module from the cloud. Shells and logs that are followed count
# together: so many at a time. A shell in which nothing moves is ended after so many minutes.
# shell = true
# streams = 10
# shell-idle = 15

# The edge device to go through instead of dialling the cloud, and its authority (PEM).
# parent = "edge-0.example.net"
# parent-ca = "/etc/hotori/parent.pem"
"""

_UNIT = """\
[Unit]
Description=Hotori edge device
Documentation=man:hotori(1)
Wants=network-online.target
After=network-online.target{after}

[Service]
Type=exec
# No root: a user of its own, that may listen on ports below 1024{reason}.
DynamicUser=yes
User=hotori-edge
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
{groups}StateDirectory=hotori-edge
StateDirectoryMode=0700
LoadCredential=enrolment:{enrolment}
# The launcher starts the version of the program that the deployment names, and goes back where that does not work.
ExecStart={program} edge launch --config {config} --enrolment %d/enrolment --data %S/hotori-edge
# Modules are stopped in order; what takes longer is cut off.
TimeoutStopSec=60
KillMode=mixed
Restart=always
RestartSec=5
NoNewPrivileges=yes
ProtectHome=yes
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """The files of an installed device below a root folder, which is `/` but for packagers."""

    root: Path
    runtime: str

    def files(self, program: str) -> dict[Path, str]:
        """Path to content."""
        engine = self.runtime != "process"
        groups = f"SupplementaryGroups={self.runtime}\n" if engine else ""
        unit = _UNIT.format(
            after=f" {self.runtime}.service" if engine else "",
            reason=f" and ask {self.runtime}" if engine else "",
            groups=groups,
            enrolment=_ENROLMENT,
            program=program,
            config=CONFIG,
        )
        return {
            self._below(CONFIG): _TEMPLATE.format(runtime=self.runtime),
            self._below(Path("/etc/systemd/system") / SERVICE): unit,
        }

    @property
    def enrolment(self) -> Path:
        return self._below(_ENROLMENT)

    def _below(self, path: Path) -> Path:
        return self.root / path.relative_to("/")


@click.command()
@click.option(
    "--enrolment",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What `hotori device add --write` wrote; it is copied.",
)
@click.option("--runtime", type=click.Choice(["process", "docker", "podman"]), default="process", show_default=True)
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), default=Path("/"), help="Install below it.")
@click.option("--dry-run", is_flag=True, help="Only show what would be written.")
@answers
def install(terminal: Terminal, enrolment: Path | None, runtime: str, root: Path, dry_run: bool) -> None:
    """Write the service, its configuration and the enrolment, so that the device starts with the machine.

    Needs root. A configuration that is there is left as it is.

    \b
    Example:  hotori edge install --enrolment edge-1.json --runtime docker
    """
    installation = Installation(root, runtime)
    files = installation.files(_program())
    if dry_run:
        for path, content in files.items():
            words = Words("# {path}\n{content}", "# {path}\n{content}")
            terminal.result({"path": str(path), "content": content}, words, path=path, content=content)
        return
    written = [path for path, content in files.items() if _write(path, content)]
    if enrolment is not None:
        installation.enrolment.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(enrolment, installation.enrolment)
        installation.enrolment.chmod(0o600)
        written.append(installation.enrolment)
    words = Words(
        "wrote {files}\nnext:  systemctl daemon-reload && systemctl enable --now {service}\n       hotori edge check",
        "{files} を書き込みました\n"
        "次に:  systemctl daemon-reload && systemctl enable --now {service}\n       hotori edge check",
    )
    paths = [str(path) for path in written]
    terminal.result({"written": list(paths)}, words, files=", ".join(paths) or "-", service=SERVICE)


@click.group()
def config() -> None:
    """Look at the configuration of an installed device, and take it into use."""


@config.command(name="check")
@click.option("--config", "path", type=click.Path(path_type=Path, dir_okay=False), default=CONFIG, show_default=True)
@answers
def check_config(terminal: Terminal, path: Path) -> None:
    """Look for faults in a configuration without using it.

    \b
    Example:  hotori edge config check --config edge.toml
    """
    settings = read_settings(path)
    terminal.result(dict(settings), Words("{path} has no fault", "{path} に誤りはありません"), path=path)


@config.command(name="apply")
@click.option("--config", "path", type=click.Path(path_type=Path, dir_okay=False), default=CONFIG, show_default=True)
@answers
def apply_config(terminal: Terminal, path: Path) -> None:
    """Check the configuration, and restart the installed device with it.

    \b
    Example:  hotori edge config apply
    """
    read_settings(path)
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        raise click.ClickException("there is no systemctl here: restart `hotori edge run` by hand")
    done = subprocess.run([systemctl, "restart", SERVICE], capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(done.stderr.strip() or f"systemctl ended with {done.returncode}")
    terminal.result({"restarted": SERVICE}, Words("restarted {service}", "{service} を再起動しました"), service=SERVICE)


def read_settings(path: Path) -> dict[str, str | int | bool]:
    """The settings by option name. Raises `configuration-invalid` with the place."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Problem(CONFIGURATION_INVALID, str(error), path=path, reason=str(error)) from error
    for name, value in document.items():
        if name not in _SETTINGS:
            reason = f"there is no setting {name}; there are {', '.join(_SETTINGS)}"
            raise Problem(CONFIGURATION_INVALID, path=path, reason=reason)
        if type(value) is not _SETTINGS[name]:
            raise Problem(CONFIGURATION_INVALID, path=path, reason=f"{name} is to be {_SETTINGS[name].__name__}")
    return document


def take_settings(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """The file's settings as defaults of the command's options, so that an option on the line goes before them."""
    if path is not None:
        try:
            settings = read_settings(path)
        except Problem as problem:
            Terminal.open(None, as_json=False).problem(problem)
            context.exit(1)
        context.default_map = {name.replace("-", "_"): value for name, value in settings.items()}


_SETTINGS: dict[str, type[str] | type[int] | type[bool]] = {
    "data": str,
    "enrolment": str,
    "listen": str,
    "name": str,
    "mqtt-port": int,
    "https-port": int,
    "runtime": str,
    "docker-host": str,
    "network": str,
    "keep-images": int,
    "image-budget": int,
    "shell": bool,
    "streams": int,
    "shell-idle": int,
    "parent": str,
    "parent-ca": str,
    "parent-mqtt-port": int,
    "parent-https-port": int,
}


def _write(path: Path, content: str) -> bool:
    """Write the file unless it is a configuration that is there; whether it was written."""
    if path.name == CONFIG.name and path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return True


def _program() -> str:
    """The command that runs now, as a service would call it."""
    return str(Path(sys.argv[0]).resolve())
