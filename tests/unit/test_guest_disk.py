"""The guest's disk: images as an engine keeps them, made of what `docker save` writes."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

from tests.guest.overlay2 import DataFolder, chain_of, write_data_folder

LOWER = {"etc/": None, "etc/kept": b"kept", "etc/gone": b"gone", "var/": None, "var/lists/": None, "var/lists/a": b"a"}
UPPER = {"etc/": None, "etc/.wh.gone": b"", "var/": None, "var/lists/": None, "var/lists/.wh..wh..opq": b""}


def tar(files: dict[str, bytes | None]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for name, content in files.items():
            info = tarfile.TarInfo(name.rstrip("/"))
            info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            info.mode, info.size, info.uid = 0o755 if content is None else 0o640, len(content or b""), 42
            out.addfile(info, io.BytesIO(content or b""))
    return buffer.getvalue()


LAYERS = [tar(LOWER), tar(UPPER)]
DIFFS = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in LAYERS]


def saved() -> bytes:
    """Two images, one on top of the other."""
    configs = [json.dumps({"rootfs": {"type": "layers", "diff_ids": DIFFS[:count]}}).encode() for count in (1, 2)]
    manifest = [
        {
            "Config": f"{count}.json",
            "RepoTags": [f"ours/image:{count}"],
            "Layers": ["a/layer.tar", "b/layer.tar"][:count],
        }
        for count in (1, 2)
    ]
    files: dict[str, bytes | None] = {"a/layer.tar": LAYERS[0], "b/layer.tar": LAYERS[1]}
    files |= {"1.json": configs[0], "2.json": configs[1], "manifest.json": json.dumps(manifest).encode()}
    return tar(files)


def data_folder() -> tuple[list[str], tarfile.TarFile]:
    written = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(saved())) as archive, DataFolder(written.write) as out:
        names = write_data_folder(archive, out)
    return names, tarfile.open(fileobj=io.BytesIO(written.getvalue()))


def text(tree: tarfile.TarFile, name: str) -> str:
    file = tree.extractfile(name)
    assert file is not None
    return file.read().decode()


def test_every_image_is_found_by_its_name_and_id() -> None:
    names, tree = data_folder()
    assert names == ["ours/image:1", "ours/image:2"]
    known = json.loads(text(tree, "image/overlay2/repositories.json"))["Repositories"]["ours/image"]
    for name in names:
        digest = known[name].removeprefix("sha256:")
        config = text(tree, f"image/overlay2/imagedb/content/sha256/{digest}")
        assert hashlib.sha256(config.encode()).hexdigest() == digest


def test_a_layer_knows_its_parents_and_a_shared_one_is_written_once() -> None:
    _, tree = data_folder()
    lower, upper = chain_of(DIFFS)
    assert upper.chain == "sha256:" + hashlib.sha256(f"{DIFFS[0]} {DIFFS[1]}".encode()).hexdigest()
    assert text(tree, f"image/overlay2/layerdb/sha256/{upper.folder}/parent") == lower.chain
    assert text(tree, f"overlay2/{upper.folder}/lower") == f"l/{lower.link}"
    assert tree.getmember(f"overlay2/l/{lower.link}").linkname == f"../{lower.folder}/diff"
    assert [member.name for member in tree].count(f"overlay2/{lower.folder}/diff/etc/kept") == 1


def test_whiteouts_become_what_overlayfs_knows() -> None:
    _, tree = data_folder()
    upper = chain_of(DIFFS)[1]
    gone = tree.getmember(f"overlay2/{upper.folder}/diff/etc/gone")
    assert (gone.type, gone.devmajor, gone.devminor) == (tarfile.CHRTYPE, 0, 0)
    lists = tree.getmember(f"overlay2/{upper.folder}/diff/var/lists")
    assert lists.pax_headers["SCHILY.xattr.trusted.overlay.opaque"] == "y"
    assert not [member.name for member in tree if ".wh." in member.name]


def test_owners_and_modes_stay_and_every_folder_comes_before_its_content() -> None:
    _, tree = data_folder()
    kept = tree.getmember(f"overlay2/{chain_of(DIFFS)[0].folder}/diff/etc/kept")
    assert (kept.uid, kept.mode, kept.size) == (42, 0o640, 4)
    seen = {""}
    for member in tree:
        assert member.name.rpartition("/")[0] in seen, member.name
        seen.add(member.name)
