"""The unmodified azure-iot-hub client against the service API (contract 2, trap 17)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from hotori.hub.registry import Draft
from hotori.model.identity import Identity
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub

if sys.version_info >= (3, 12):
    pytest.skip("azure-iot-hub needs uamqp, which has no wheel here", allow_module_level=True)

from azure.iot.hub import IoTHubConfigurationManager, IoTHubRegistryManager
from azure.iot.hub.models import CloudToDeviceMethod, QuerySpecification, Twin, TwinProperties
from azure.iot.hub.protocol.models import ConfigurationContent, ExportImportDevice
from msrest.exceptions import HttpOperationError

T = TypeVar("T")
KEY, SECOND = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "ICEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
MANIFEST: dict[str, Any] = {
    "$edgeAgent": {
        "properties.desired": {
            "schemaVersion": "1.1",
            "runtime": {"type": "docker", "settings": {}},
            "systemModules": {},
            "modules": {"camera": {"type": "docker", "settings": {"image": "127.0.0.1:5000/camera:1"}}},
        }
    },
    "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {"all": "FROM /messages/* INTO $upstream"}}},
    "camera": {"properties.desired": {"interval": 2}},
}


@pytest.fixture
async def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path, loopback_address()) as hub:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(hub.authority.certificate))
        yield hub


@pytest.fixture
def manager(cloud: CloudHub) -> IoTHubRegistryManager:
    return IoTHubRegistryManager.from_connection_string(cloud.service().format())


async def call(work: Callable[..., T], *arguments: object, **named: object) -> T:
    """The client blocks, and the hub lives on this loop."""
    return await asyncio.to_thread(work, *arguments, **named)


async def test_devices_are_created_read_changed_listed_and_deleted(manager: IoTHubRegistryManager) -> None:
    created = await call(manager.create_device_with_sas, "dev-1", KEY, SECOND, "enabled", status_reason="new")
    assert created.authentication.symmetric_key.primary_key == KEY
    assert (created.status, created.connection_state) == ("enabled", "Disconnected")
    assert created.last_activity_time.year == 1
    with pytest.raises(HttpOperationError) as conflict:
        await call(manager.create_device_with_sas, "dev-1", KEY, SECOND, "enabled")
    assert conflict.value.response.status_code == 409
    assert conflict.value.response.headers["iothub-errorcode"] == "DeviceAlreadyExists"
    changed = await call(manager.update_device_with_sas, "dev-1", created.etag, SECOND, KEY, "disabled")
    assert (changed.status, changed.authentication.symmetric_key.primary_key) == ("disabled", SECOND)
    with pytest.raises(HttpOperationError):
        await call(manager.update_device_with_sas, "dev-1", created.etag, SECOND, KEY, "enabled")
    assert (await call(manager.get_device, "dev-1")).etag == changed.etag
    assert [device.device_id for device in await call(manager.get_devices)] == ["dev-1"]
    counts = await call(manager.get_device_registry_statistics)
    assert (counts.total_device_count, counts.disabled_device_count) == (1, 1)
    assert (await call(manager.get_service_statistics)).connected_device_count == 0
    await call(manager.delete_device, "dev-1")
    with pytest.raises(HttpOperationError):
        await call(manager.get_device, "dev-1")


async def test_an_edge_device_a_leaf_behind_it_and_their_modules(manager: IoTHubRegistryManager) -> None:
    edge = await call(manager.create_device_with_sas, "edge-1", KEY, SECOND, "enabled", iot_edge=True)
    assert edge.capabilities.iot_edge
    leaf = await call(manager.create_device_with_sas, "leaf", None, None, "enabled", device_scope=edge.device_scope)
    assert leaf.parent_scopes == [edge.device_scope]
    child = await call(
        manager.create_device_with_sas, "edge-2", KEY, SECOND, "enabled", True, parent_scopes=[edge.device_scope]
    )
    assert child.parent_scopes == [edge.device_scope]
    module = await call(manager.create_module_with_sas, "edge-1", "camera", "IotEdge", KEY, SECOND)
    assert (module.managed_by, module.device_id) == ("IotEdge", "edge-1")
    changed = await call(manager.update_module_with_sas, "edge-1", "camera", "me", module.etag, SECOND, KEY)
    assert changed.managed_by == "me"
    names = [module.module_id for module in await call(manager.get_modules, "edge-1")]
    assert names == ["$edgeAgent", "$edgeHub", "camera"]
    assert (await call(manager.get_module, "edge-1", "$edgeHub")).managed_by is None
    await call(manager.delete_module, "edge-1", "camera")
    assert len(await call(manager.get_modules, "edge-1")) == 2


async def test_twins_of_devices_and_modules(manager: IoTHubRegistryManager) -> None:
    """2.3: captured nulls delete"""
    await call(manager.create_device_with_sas, "dev-1", KEY, SECOND, "enabled")
    await call(manager.create_module_with_sas, "dev-1", "camera", "", KEY, SECOND)
    twin = await call(manager.get_twin, "dev-1")
    patch = Twin(tags={"room": "a"}, properties=TwinProperties(desired={"x": 1, "y": {"z": 2}}))
    changed = await call(manager.update_twin, "dev-1", patch, twin.etag)
    assert (changed.tags, changed.properties.desired["y"]) == ({"room": "a"}, {"z": 2})
    with pytest.raises(HttpOperationError):
        await call(manager.update_twin, "dev-1", patch, twin.etag)
    cut = Twin(tags={"room": None}, properties=TwinProperties(desired={"x": None}))
    changed = await call(manager.update_twin, "dev-1", cut)
    assert changed.tags == {}
    assert "x" not in changed.properties.desired
    replaced = await call(manager.replace_twin, "dev-1", Twin(properties=TwinProperties(desired={"q": 1})))
    assert {name for name in replaced.properties.desired if not name.startswith("$")} == {"q"}
    module = await call(
        manager.update_module_twin, "dev-1", "camera", Twin(properties=TwinProperties(desired={"i": 2})), "*"
    )
    assert (module.module_id, module.properties.desired["i"]) == ("camera", 2)
    assert (await call(manager.get_module_twin, "dev-1", "camera")).version == module.version
    emptied = await call(manager.replace_module_twin, "dev-1", "camera", Twin(), "*")
    assert "i" not in emptied.properties.desired


async def test_methods_of_devices_and_modules(cloud: CloudHub, manager: IoTHubRegistryManager) -> None:
    """2.4, trap 27: no payload arrives as an empty text"""
    await cloud.registry.create_device("dev-1")
    await cloud.registry.create_module("dev-1", "camera")

    async def answer(name: str, payload: Any) -> tuple[int, Any]:
        return 200, [name, payload]

    async with (
        await cloud.connection(Identity("dev-1")) as device,
        await cloud.connection(Identity("dev-1", "camera")) as module,
    ):
        device.on_method(answer)
        module.on_method(answer)
        wait = {"response_timeout_in_seconds": 10, "connect_timeout_in_seconds": 10}
        method = CloudToDeviceMethod(method_name="m", payload={"a": 1}, **wait)
        result = await call(manager.invoke_device_method, "dev-1", method)
        assert (result.status, result.payload) == (200, ["m", {"a": 1}])
        method = CloudToDeviceMethod(method_name="n", **wait)
        result = await call(manager.invoke_device_module_method, "dev-1", "camera", method)
        assert (result.status, result.payload) == (200, ["n", ""])
    with pytest.raises(HttpOperationError) as offline:
        await call(manager.invoke_device_method, "dev-1", CloudToDeviceMethod(method_name="m"))
    assert offline.value.response.status_code == 404


async def test_queries_in_pages(cloud: CloudHub, manager: IoTHubRegistryManager) -> None:
    """2.5"""
    for number in range(5):
        await cloud.registry.create_device(f"dev-{number}", Draft(edge=number == 3))
    seen: list[str] = []
    token = None
    while True:
        query = QuerySpecification(query="SELECT * FROM devices WHERE capabilities.iotEdge = false")
        page = await call(manager.query_iot_hub, query, token, 3)
        seen += [twin.device_id for twin in page.items]
        token = page.continuation_token
        if not token:
            break
    assert seen == ["dev-0", "dev-1", "dev-2", "dev-4"]
    counted = await call(manager.query_iot_hub, QuerySpecification(query="select count() as n from devices"))
    assert counted.items[0].additional_properties == {"n": 5}
    with pytest.raises(HttpOperationError) as fault:
        await call(manager.query_iot_hub, QuerySpecification(query="SELECT * FROM nothing"))
    assert fault.value.response.status_code == 400


async def test_a_manifest_is_applied(cloud: CloudHub, manager: IoTHubRegistryManager) -> None:
    """2.7"""
    await cloud.registry.create_device("edge-1", Draft(edge=True))
    deployments = IoTHubConfigurationManager.from_connection_string(cloud.service().format())
    await call(deployments.apply_configuration_on_edge_device, "edge-1", ConfigurationContent(modules_content=MANIFEST))
    camera = await call(manager.get_module, "edge-1", "camera")
    assert camera.managed_by == "IotEdge"
    assert (await call(manager.get_module_twin, "edge-1", "camera")).properties.desired["interval"] == 2
    with pytest.raises(HttpOperationError) as fault:
        await call(
            deployments.apply_configuration_on_edge_device, "edge-1", ConfigurationContent(modules_content={"a": {}})
        )
    assert fault.value.response.status_code == 400


async def test_devices_are_made_changed_and_deleted_many_at_a_time(
    cloud: CloudHub, manager: IoTHubRegistryManager
) -> None:
    """2.2: bulk"""
    made = [ExportImportDevice(id=f"dev-{number}", import_mode="create", status="enabled") for number in range(3)]
    assert (await call(manager.bulk_create_or_update_devices, made)).is_successful
    mixed = [
        ExportImportDevice(id="dev-0", import_mode="create"),
        ExportImportDevice(id="dev-1", import_mode="delete"),
        ExportImportDevice(id="dev-2", import_mode="update", status="disabled"),
        ExportImportDevice(id="dev-2", module_id="camera", import_mode="create"),
    ]
    result = await call(manager.bulk_create_or_update_devices, mixed)
    assert not result.is_successful
    assert [(error.device_id, error.error_code) for error in result.errors] == [("dev-0", "DeviceAlreadyExists")]
    assert await cloud.registry.find(Identity("dev-1")) is None
    assert not (await cloud.registry.get(Identity("dev-2"))).enabled
    assert await cloud.registry.find(Identity("dev-2", "camera")) is not None


async def test_a_client_with_a_wrong_key_is_refused(cloud: CloudHub) -> None:
    stranger = cloud.service().format().replace(cloud.service().key.reveal(), KEY)
    manager = IoTHubRegistryManager.from_connection_string(stranger)
    with pytest.raises(HttpOperationError) as refused:
        await call(manager.get_devices)
    assert refused.value.response.status_code == 401


async def test_devices_and_modules_that_show_certificates(manager: IoTHubRegistryManager) -> None:
    """2.2: authentication by thumbprint and by an authority, and back to keys"""
    first, second = "A" * 40, "b" * 64
    device = await call(manager.create_device_with_x509, "dev-1", first, second, "enabled")
    assert device.authentication.type == "selfSigned"
    prints = device.authentication.x509_thumbprint
    assert (prints.primary_thumbprint, prints.secondary_thumbprint) == (first, second.upper())
    assert device.authentication.symmetric_key.primary_key is None
    device = await call(manager.update_device_with_certificate_authority, "dev-1", device.etag, "enabled")
    assert device.authentication.type == "certificateAuthority"
    assert device.authentication.x509_thumbprint.primary_thumbprint is None
    device = await call(manager.update_device_with_sas, "dev-1", device.etag, KEY, SECOND, "enabled")
    assert device.authentication.symmetric_key.primary_key == KEY
    module = await call(manager.create_module_with_x509, "dev-1", "camera", "", first, second)
    assert module.authentication.x509_thumbprint.primary_thumbprint == first
    ca = await call(manager.create_device_with_certificate_authority, "dev-2", "disabled")
    assert (ca.status, ca.authentication.type) == ("disabled", "certificateAuthority")
