from __future__ import annotations

from pathlib import Path

from buildproof.manifest import Archive, Crate, Fetch, Folder, Manifest, Starts, Tier, read_manifest

SHA = "0123456789abcdef" * 4

FULL = """\
[project]
name = "launcher"
source = "."
compose = "docker/compose.yml"

[fetch]
command = "cargo fetch --locked"
inputs = ["Cargo.lock", "**/Cargo.toml"]
time-limit = "20m"

[[build]]
builder = "windows"
command = "cargo build --release"
artifacts = ["target/release/*.exe", "target/release/x.dll"]
peak-memory = "2g"
time-limit = "15m"
silent-limit = "90s"
starts = { args = ["--version", ""], stdout = "launcher 0\\\\.1", exit-code = 3, artifact = "target/release/a.exe" }
tier = "nightly"
profiles = ["4g", "guide"]
environment = { RUSTFLAGS = "-C opt-level=1", EMPTY = "" }

[[build]]
builder = "linux"
command = "make"
artifacts = ["out/launcher"]
[build.starts]
"""

HEAD = '[project]\nname = "x"\n'
BUILD = '[[build]]\nbuilder = "linux"\ncommand = "make"\nartifacts = ["x"]\n'


def manifest(folder: Path, text: str) -> Manifest:
    path = folder / "buildproof.toml"
    path.write_text(text)
    return read_manifest(path)


def test_a_full_manifest_is_read_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "compose.yml").touch()
    read = manifest(tmp_path, FULL)
    assert read.project.name == "launcher"
    assert read.project.source == Folder(path=tmp_path.resolve())
    assert read.project.compose == tmp_path / "docker" / "compose.yml"
    assert read.fetch == Fetch(
        command="cargo fetch --locked",
        inputs=("Cargo.lock", "**/Cargo.toml"),
        time_limit_s=1200,
        place=read.fetch.place if read.fetch else read.project.place,
    )
    windows, linux = read.builds
    assert windows.builder == "windows"
    assert windows.command == "cargo build --release"
    assert windows.artifacts == ("target/release/*.exe", "target/release/x.dll")
    assert windows.peak_memory == 2 << 30
    assert windows.time_limit_s == 900
    assert windows.silent_limit_s == 90
    assert windows.starts == Starts(
        args=("--version", ""), stdout=r"launcher 0\.1", exit_code=3, artifact="target/release/a.exe"
    )
    assert windows.tier is Tier.NIGHTLY
    assert windows.profiles == ("4g", "guide")
    assert windows.environment == {"RUSTFLAGS": "-C opt-level=1", "EMPTY": ""}
    assert linux.starts == Starts(args=(), stdout=None, exit_code=0, artifact="out/launcher")


def test_what_is_left_out_has_the_documented_defaults(tmp_path: Path) -> None:
    read = manifest(tmp_path, HEAD + '[fetch]\ncommand = "true"\n' + BUILD)
    assert read.project.source == Folder(path=tmp_path.resolve())
    assert read.project.compose is None
    assert read.fetch and (read.fetch.inputs, read.fetch.time_limit_s) == ((), 900)
    build = read.builds[0]
    assert (build.peak_memory, build.time_limit_s, build.silent_limit_s, build.starts) == (
        None,
        None,
        None,
        None,
    )
    assert (build.tier, build.profiles, build.environment) == (Tier.GATE, (), {})
    assert manifest(tmp_path, HEAD + BUILD).fetch is None


def test_every_build_knows_where_it_and_its_keys_stand(tmp_path: Path) -> None:
    build = manifest(tmp_path, HEAD + BUILD).builds[0]
    assert str(build.place) == f"{tmp_path}/buildproof.toml:3:1"
    assert str(build.where("command")) == f"{tmp_path}/buildproof.toml:5:1"
    assert build.where("profiles") == build.place


def test_a_source_may_be_a_folder_above_or_beside(tmp_path: Path) -> None:
    for folder in ("app/ci", "other"):
        (tmp_path / folder).mkdir(parents=True)
    for written, meant in {"..": "app", "../..": ".", "../../other": "other"}.items():
        read = manifest(tmp_path / "app" / "ci", f'{HEAD}source = "{written}"\n{BUILD}')
        assert read.project.source == Folder(path=(tmp_path / meant).resolve())
    read = manifest(tmp_path, f'{HEAD}source = {{ path = "app" }}\n{BUILD}')
    assert read.project.source == Folder(path=(tmp_path / "app").resolve())


def test_a_crate_and_an_archive_are_sources_with_a_checksum(tmp_path: Path) -> None:
    (tmp_path / "x.tar.xz").touch()
    for source, meant in {
        f'{{ crate = "ripgrep", version = "14.1.1", sha256 = "{SHA.upper()}" }}': Crate(
            name="ripgrep", version="14.1.1", sha256=SHA
        ),
        f'{{ archive = "https://a.b/x-1.tar.gz", sha256 = "{SHA}" }}': Archive(
            location="https://a.b/x-1.tar.gz", sha256=SHA
        ),
        f'{{ archive = "x.tar.xz", sha256 = "{SHA}" }}': Archive(
            location=(tmp_path / "x.tar.xz").resolve(), sha256=SHA
        ),
    }.items():
        assert manifest(tmp_path, f"{HEAD}source = {source}\n{BUILD}").project.source == meant


def test_the_started_artifact_may_be_any_that_a_glob_can_mean(tmp_path: Path) -> None:
    for glob, started in {
        "target/**/*.exe": "target/x86_64/release/app.exe",
        "**/app": "app",
        "dist/?pp": "dist/app",
        "dist/[ab]pp": "dist/app",
        "dist/*": "dist/*",
    }.items():
        text = HEAD + BUILD.replace('"x"', f'"{glob}"') + f'starts = {{ artifact = "{started}" }}\n'
        starts = manifest(tmp_path, text).builds[0].starts
        assert starts and starts.artifact == started
