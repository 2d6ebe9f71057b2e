"""Layers are unpacked so that nothing reaches outside, and merged as a container engine would show them."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.images.tree import merge
from hotori.images.unpack import UnsafeLayerError, UnsupportedLayerError, clamped_link, unpack
from hotori.testing.registry_server import write_files

PARTS = st.lists(st.sampled_from(["..", "a", "b", "usr", "."]), max_size=6)


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b"", mode: int = 0o644) -> tuple:  # type: ignore[type-arg]
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size, entry.mode = kind, link, len(content), mode
    return entry, content


def layer(folder: Path, *members: tuple) -> Path:  # type: ignore[type-arg]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for entry, content in members:
            archive.addfile(entry, io.BytesIO(content))
    path = folder / "layer.tar.gz"
    path.write_bytes(gzip.compress(packed.getvalue()))
    return path


def unpacked(folder: Path, *members: tuple) -> Path:  # type: ignore[type-arg]
    target = folder / "out"
    target.mkdir(parents=True)
    unpack(layer(folder, *members), target)
    return target


def test_files_folders_and_links_are_unpacked(tmp_path: Path) -> None:
    out = unpacked(
        tmp_path,
        member("app", tarfile.DIRTYPE),
        member("./app/run", content=b"#!", mode=0o4755),
        member("/app/data", content=b"data", mode=0o600),
        member("app/hard", tarfile.LNKTYPE, "app/data"),
        member("app/soft", tarfile.SYMTYPE, "data"),
    )
    assert oct((out / "app/run").stat().st_mode & 0o7777) == "0o755"
    assert oct((out / "app/data").stat().st_mode & 0o7777) == "0o644"
    assert (out / "app/hard").samefile(out / "app/data")
    assert (out / "app/soft").read_bytes() == b"data"


def test_a_tar_that_is_not_compressed_is_unpacked_too(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "layer", "w") as archive:
        archive.addfile(*[part if isinstance(part, tarfile.TarInfo) else io.BytesIO(part) for part in member("a")])
    (tmp_path / "out").mkdir()
    unpack(tmp_path / "layer", tmp_path / "out")
    assert (tmp_path / "out/a").exists()


@pytest.mark.parametrize(
    "members",
    [
        [member("../escape", content=b"x")],
        [member("a/../../escape", content=b"x")],
        [member("hard", tarfile.LNKTYPE, "../../etc/passwd")],
        [member("hard", tarfile.LNKTYPE, "missing")],
        [member("up", tarfile.SYMTYPE, "x"), member("hard", tarfile.LNKTYPE, "up")],
        [member("a", tarfile.DIRTYPE), member("a/b"), member("a")],
    ],
)
def test_a_member_that_would_leave_the_folder_is_refused(tmp_path: Path, members: list) -> None:  # type: ignore[type-arg]
    with pytest.raises(UnsafeLayerError):
        unpacked(tmp_path / "inner", *members)
    assert not (tmp_path / "escape").exists()


def test_links_lead_where_they_would_in_a_container(tmp_path: Path) -> None:
    out = unpacked(
        tmp_path,
        member("etc/passwd", content=b"of the image"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("deep/er/up", tarfile.SYMTYPE, "../../../../../../etc/passwd"),
        member("folder", tarfile.SYMTYPE, "/etc"),
        member("folder/added", content=b"through a link"),
    )
    assert (out / "link").read_bytes() == b"of the image"
    assert (out / "deep/er/up").read_bytes() == b"of the image"
    assert (out / "etc/added").read_bytes() == b"through a link"


@given(PARTS, PARTS, st.booleans())
def test_no_link_leads_out_of_the_image(name: list[str], target: list[str], absolute: bool) -> None:
    link = PurePosixPath(*[part for part in name if part not in ("..", ".")], "link")
    text = ("/" if absolute else "") + ("/".join(target) or "x")
    reached = os.path.normpath(PurePosixPath("/root", link.parent, clamped_link(link, text)))
    assert reached == "/root" or reached.startswith("/root/")


def test_device_nodes_and_pipes_are_left_behind(tmp_path: Path) -> None:
    out = unpacked(tmp_path, member("dev/null", tarfile.CHRTYPE), member("pipe", tarfile.FIFOTYPE), member("a"))
    assert sorted(path.name for path in out.rglob("*") if not path.is_dir()) == ["a"]


def test_a_layer_that_breaks_off_is_refused(tmp_path: Path) -> None:
    path = layer(tmp_path, member("a", content=os.urandom(100_000)))
    path.write_bytes(path.read_bytes()[:50_000])
    (tmp_path / "out").mkdir()
    with pytest.raises(UnsafeLayerError):
        unpack(path, tmp_path / "out")


def test_a_layer_that_is_compressed_otherwise_is_unsupported(tmp_path: Path) -> None:
    (tmp_path / "layer").write_bytes(b"\x28\xb5\x2f\xfd rest")
    with pytest.raises(UnsupportedLayerError, match="zstd"):
        unpack(tmp_path / "layer", tmp_path)


def test_upper_layers_replace_and_white_out_what_lies_below(tmp_path: Path) -> None:
    low = write_files(tmp_path / "low", {"a": "low", "b": "low", "gone": "x", "opaque/old": "x", "kept/old": "x"})
    high = write_files(
        tmp_path / "high",
        {"a": "high", ".wh.gone": "", "opaque/.wh..wh..opq": "", "opaque/new": "y", "kept/new": "y", "b/c": "folder"},
    )
    merge([low, high], tmp_path / "root")
    root = tmp_path / "root"
    found = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}
    assert found == {"a": "high", "b/c": "folder", "opaque/new": "y", "kept/old": "x", "kept/new": "y"}
    assert (low / "gone").exists()


def test_a_layer_writes_through_the_links_of_those_below(tmp_path: Path) -> None:
    low = write_files(tmp_path / "low", {"usr/lib/one": "1"})
    (low / "lib").symlink_to("usr/lib")
    high = write_files(tmp_path / "high", {"lib/two": "2"})
    merge([low, high], tmp_path / "root")
    assert (tmp_path / "root/usr/lib/two").read_text() == "2"
    assert (tmp_path / "root/lib").is_symlink()


def test_a_link_that_leads_nowhere_inside_is_replaced_by_a_folder(tmp_path: Path) -> None:
    outside = write_files(tmp_path / "outside", {"x": "untouched"})
    (tmp_path / "low").mkdir()
    (tmp_path / "low/out").symlink_to(outside)
    high = write_files(tmp_path / "high", {"out/x": "inside"})
    merge([tmp_path / "low", high], tmp_path / "root")
    assert (outside / "x").read_text() == "untouched"
    assert (tmp_path / "root/out/x").read_text() == "inside"
