"""The checks of a device, in the order in which they are made, and the runner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from hotori.diagnosis.checks import Check, Outcome, unmet
from hotori.edge.check.probes import Probe, Probes, SeveralProblems
from hotori.problems import Problem, Words

_CONFIGURATION = Words("Configuration", "構成")
_CONNECTIVITY = Words("Connectivity", "接続")
_MODULES = Words("Modules", "モジュール")

CHECKS = (
    Check("data-folder", _CONFIGURATION, Words("the data folder can be used", "データフォルダーが使える")),
    Check("disk-space", _CONFIGURATION, Words("the disk has room", "ディスクに空きがある"), ("data-folder",)),
    Check(
        "enrolment", _CONFIGURATION, Words("the device knows who it is", "デバイスが登録されている"), ("data-folder",)
    ),
    Check(
        "authority",
        _CONFIGURATION,
        Words("its authority is valid for long", "認証局の期限に余裕がある"),
        ("data-folder",),
    ),
    Check("container-engine", _CONFIGURATION, Words("modules can be run", "モジュールを動かせる")),
    Check(
        "image-disk",
        _CONFIGURATION,
        Words("the engine's disk has room", "エンジンのディスクに空きがある"),
        ("container-engine",),
    ),
    Check(
        "packets",
        _CONFIGURATION,
        Words("packets of modules get out", "モジュールのパケットが外に出られる"),
        ("container-engine",),
    ),
    Check(
        "cloud-name",
        _CONNECTIVITY,
        Words("the cloud's name has an address", "クラウドの名前を解決できる"),
        ("enrolment",),
    ),
    Check(
        "cloud-https", _CONNECTIVITY, Words("the cloud answers (HTTPS)", "クラウドが応答する (HTTPS)"), ("cloud-name",)
    ),
    Check("cloud-mqtt", _CONNECTIVITY, Words("the cloud answers (MQTT)", "クラウドが応答する (MQTT)"), ("cloud-name",)),
    Check(
        "cloud-websocket",
        _CONNECTIVITY,
        Words("websockets get through", "WebSocket が通る"),
        ("cloud-https",),
    ),
    Check(
        "certificates",
        _CONNECTIVITY,
        Words("certificates are valid for long", "証明書の期限に余裕がある"),
        ("enrolment",),
    ),
    Check("clock", _CONNECTIVITY, Words("the clock is right", "時計が合っている"), ("cloud-https",)),
    Check(
        "identity",
        _CONNECTIVITY,
        Words("the cloud takes the key", "クラウドがキーを受け付ける"),
        ("cloud-https", "clock"),
    ),
    Check(
        "registry",
        _CONNECTIVITY,
        Words("the image registry lets it in", "イメージレジストリを利用できる"),
        ("cloud-name", "clock"),
    ),
    Check("device-running", _MODULES, Words("the device runs", "デバイスが動いている"), ("data-folder",)),
    Check(
        "deployment",
        _MODULES,
        Words("the last deployment is in force", "最後のデプロイが適用されている"),
        ("device-running",),
    ),
    Check(
        "ports",
        _MODULES,
        Words("its ports are free or its own", "ポートが空いているか自分で使っている"),
        ("data-folder",),
    ),
    Check("queues", _MODULES, Words("the hub has no problem", "ハブに問題がない"), ("device-running",)),
    Check(
        "module-network",
        _MODULES,
        Words("modules reach the hub and find names", "モジュールからハブと名前に到達できる"),
        ("container-engine", "enrolment", "device-running"),
    ),
    Check("modules", _MODULES, Words("no module has a problem", "モジュールに問題がない"), ("device-running",)),
)


async def run_checks(probes: Probes, left_out: frozenset[str] = frozenset()) -> AsyncIterator[Outcome]:
    """Every check but those left out, one after the other; what follows from a failure is skipped."""
    table = _probes(probes)
    outcomes: dict[str, Outcome] = {}
    for check in CHECKS:
        if check.id not in left_out:
            outcome = outcomes[check.id] = await _run(check, table[check.id], outcomes)
            yield outcome


async def _run(check: Check, probe: Probe, outcomes: Mapping[str, Outcome]) -> Outcome:
    if missed := unmet(check, outcomes):
        return Outcome(check, missed=missed)
    try:
        return Outcome(check, seen=await probe())
    except Problem as problem:
        return Outcome(check, (problem,))
    except SeveralProblems as several:
        return Outcome(check, several.problems)


def _probes(probes: Probes) -> Mapping[str, Probe]:
    return {
        "data-folder": probes.data_folder,
        "disk-space": probes.disk,
        "enrolment": probes.enrolment,
        "authority": probes.authority,
        "container-engine": probes.container_engine,
        "image-disk": probes.image_disk,
        "packets": probes.packets,
        "cloud-name": probes.name,
        "cloud-https": probes.https,
        "cloud-mqtt": probes.mqtt,
        "cloud-websocket": probes.websocket,
        "certificates": probes.certificates,
        "clock": probes.time,
        "identity": probes.identity,
        "registry": probes.registry,
        "device-running": probes.running,
        "ports": probes.ports,
        "queues": probes.queues,
        "module-network": probes.module_network,
        "deployment": probes.deployment,
        "modules": probes.modules,
    }
