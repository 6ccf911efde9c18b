from __future__ import annotations

import re
from pathlib import Path

import pytest

from buildproof.compose import read_compose
from buildproof.errors import InputError, InputErrors


def complaints(folder: Path, text: str) -> list[str]:
    (folder / "image").mkdir()
    (folder / "image" / "Dockerfile").touch()
    (folder / "compose.yml").write_text(text)
    with pytest.raises(InputError) as error:
        read_compose(folder / "compose.yml")
    raised = error.value
    errors = raised.errors if isinstance(raised, InputErrors) else [raised]
    return [str(one).replace(f"{folder}/", "").removeprefix("compose.yml:") for one in errors]


def service(lines: str, extension: str = "{target: linux-x86_64}") -> str:
    return f"services:\n  box:\n    image: x\n    {lines}\n    x-buildproof: {extension}\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "mem_limit: 12x",
            "4:5: …mem_limit: '12x' is not a size: write a number with b, k, m or g, such as 512m",
        ),
        ("mem_limit: 5m", "4:5: …mem_limit: 5 MiB is below the 6 MiB that the engine needs at least"),
        ("mem_limit:", "4:5: …mem_limit: has no value: write one, or leave the key out"),
        ("mem_limits: 1g", "4:5: …: unknown key 'mem_limits', did you mean 'mem_limit'?"),
        (
            "{mem_limit: 4g, memswap_limit: 3g}",
            "4:21: …memswap_limit: 3 GiB is memory and swap together, and cannot be less than mem_limit, 4 GiB",
        ),
        (
            "memswap_limit: 3g",
            "4:5: …memswap_limit: is memory and swap together, and needs a mem_limit beside it",
        ),
        (
            "memswap_limit: []",
            "4:5: …memswap_limit: must be a size such as 8g, or -1 for unlimited, not a list",
        ),
        (
            "oom_kill_disable: true",
            "4:5: …oom_kill_disable: without a mem_limit beside it the build can stop the whole machine",
        ),
        ("oom_kill_disable: 1", "4:5: …oom_kill_disable: must be true or false, not the number 1"),
        ("mem_swappiness: 101", "4:5: …mem_swappiness: must be 100 or less, not 101"),
        ("mem_swappiness: -1", "4:5: …mem_swappiness: must be 0 or more, not -1"),
        ("mem_swappiness: 0.5", "4:5: …mem_swappiness: must be a whole number, not the number 0.5"),
        ("cpus: 0", "4:5: …cpus: must be above 0, not 0"),
        ("cpus: -1", "4:5: …cpus: must be above 0, not -1"),
        ("cpus: .nan", "4:5: …cpus: must be a number such as 1.5, not the number nan"),
        ("cpus: two", "4:5: …cpus: must be a number such as 1.5, not the text 'two'"),
        ("pids_limit: -2", "4:5: …pids_limit: must be -1 or more, not -2"),
        (
            "ulimits: {nofiles: 1}",
            "4:15: …ulimits.nofiles: 'nofiles' is no process limit, did you mean 'nofile'?",
        ),
        (
            "ulimits: {as: 1}",
            "4:15: …ulimits.as: the engine has no limit of address space: write address-space under x-buildproof",
        ),
        (
            "ulimits: {nofile: {soft: 2, hard: 1}}",
            "4:15: …ulimits.nofile: the soft limit is above the hard one",
        ),
        (
            "ulimits: {nofile: {soft: -1, hard: 1}}",
            "4:15: …ulimits.nofile: the soft limit is above the hard one",
        ),
        ("ulimits: {nofile: {soft: 2}}", "4:15: …ulimits.nofile: 'hard' is missing"),
        ("tmpfs: tmp", "4:5: …tmpfs: must be an absolute path such as /tmp:size=64m, not the text 'tmp'"),
        ("tmpfs: [/a, 1]", "4:17: …tmpfs: must be an absolute path such as /tmp:size=64m, not the number 1"),
        ("tmpfs: [/a, /a:ro]", "4:17: …tmpfs: '/a' is mounted twice"),
        (
            "tmpfs: 1",
            "4:5: …tmpfs: must be a path such as /tmp:size=64m, or a list of them, not the number 1",
        ),
        ("environment: {A: }", "4:19: …environment.A: A has no value, and none is taken from the host"),
        ("environment: [A]", "4:19: …environment: A has no value, and none is taken from the host"),
        ("environment: [A=1, A=2]", "4:24: …environment: A is set twice"),
        ("environment: {A: yes}", "4:19: …environment.A: must be text, not true: put it in quotes"),
        (
            "environment: {A: 1.90}",
            "4:19: …environment.A: must be text, not the number 1.9: put it in quotes",
        ),
        (
            "environment: {A: 'x${B}'}",
            "4:19: …environment.A: variables of the host are not filled in: write the value, or $$ for a dollar sign",
        ),
        (
            "mem_limit: $MEM",
            "4:5: …mem_limit: variables of the host are not filled in: write the value, or $$ for a dollar sign",
        ),
        (
            "network_mode: host",
            "4:5: …network_mode: must be none, or left out, not the text 'host': the measured build has no network",
        ),
        ("build: nope", "4:5: …build: there is no folder nope"),
        ("build: {context: image, dockerfile: D}", "4:5: …build: there is no Dockerfile image/D"),
        ("build: {dockerfile: D}", "4:5: …build: 'context' is missing"),
        (
            "build: {context: image, dockerfil: D}",
            "4:29: …build: unknown key 'dockerfil', did you mean 'dockerfile'?",
        ),
        (
            "build: {context: image, args: [A]}",
            "4:36: …build.args: A has no value, and none is taken from the host",
        ),
        (
            "build: {context: image, network: host}",
            (
                "4:29: …build: 'network' is not supported by a builder, because an image is made the same way by "
                "every engine, from 20.10 on"
            ),
        ),
        (
            "ports: ['80']",
            "4:5: …: 'ports' is not supported by a builder, because the measured build has no network",
        ),
        (
            "volumes: ['.:/src']",
            (
                "4:5: …: 'volumes' is not supported by a builder, because nothing of the host is mounted, "
                "files go in and out as tar streams"
            ),
        ),
        (
            "deploy: {resources: {limits: {memory: 1g}}}",
            (
                "4:5: …: 'deploy' is not supported by a builder, because it speaks to a swarm: write mem_limit for "
                "resources.limits.memory, cpus for resources.limits.cpus, and pids_limit for resources.limits.pids"
            ),
        ),
        ("x-buildprof: 1", "4:5: …: unknown key 'x-buildprof', did you mean 'x-buildproof'?"),
        ("1: x", "4:5: a key must be text: put '1' in quotes"),
    ],
)
def test_a_wrong_setting_is_an_error_in_its_line(tmp_path: Path, lines: str, expected: str) -> None:
    text = service(lines)
    if lines.startswith("{"):
        text = service("<<: " + lines)
        expected = expected.replace("4:21", "4:25")
    found = complaints(tmp_path, text)
    assert found == [expected.replace("…:", "services.box:").replace("…", "services.box.")]


WRONG_EXTENSIONS = """
{}
    5:5: …: 'target' is missing
windows
    5:5: …: must be a table of keys and values, not the text 'windows'
{target: windows}
    5:20: …target: 'windows' is unknown, did you mean one of windows-x86_64, windows-i686, windows-aarch64?
{target: linux-x86_64, adress-space: 1g}
    5:42: …: unknown key 'adress-space', did you mean 'address-space'?
{target: linux-x86_64, glibc-baseline: 2.36}
    5:42: …glibc-baseline: must be text, not the number 2.36: put it in quotes
{target: linux-x86_64, glibc-baseline: new}
    5:42: …glibc-baseline: 'new' is no version of glibc, such as 2.36
{target: windows-i686, glibc-baseline: "2.36"}
    5:42: …glibc-baseline: has no meaning for windows-i686
{target: windows-i686, windows-baseline: "95"}
    5:42: …windows-baseline: '95' is none of the versions of Windows that are known: 7, 8, 8.1, 10, 11
{target: linux-x86_64, windows-baseline: "10"}
    5:42: …windows-baseline: has no meaning for linux-x86_64
{target: linux-x86_64, profile: guide, profiles: {guide: {}}}
    5:69: …profiles.guide: is the name of the builder's own settings already
{target: linux-x86_64, profiles: {A B: {}}}
    5:53: …profiles.A B: 'A B' must be lower-case letters, digits, dots, dashes and underscores, 63 at most
{target: linux-x86_64, profiles: {4g: {memory: 4g}}}
    5:58: …profiles.4g: 'memory' is not supported by a builder, because Compose's word for it is mem_limit
{target: linux-x86_64, profiles: {4g: {image: y}}}
    5:58: …profiles.4g: 'image' is not supported by a builder, because a profile changes limits and
    environment only
{target: linux-x86_64, profiles: {2g: {mem_limit: 2g, memswap_limit: 1g}}}
    5:73: …profiles.2g.memswap_limit: 1 GiB is memory and swap together, and cannot be less than mem_limit, 2
    GiB
{target: linux-x86_64, user-namespaces: sometimes}
    5:42: …user-namespaces: must be true or false, not the text 'sometimes'
{target: linux-x86_64, root: true}
    5:42: …root: must be text, not true: put it in quotes
{target: linux-x86_64, starts-in: 'a b'}
    5:42: …starts-in: 'a b' cannot be the name of an image
"""


@pytest.mark.parametrize(
    ("extension", "message"), re.findall(r"^(\S.*)\n((?:    .*\n)+)", WRONG_EXTENSIONS, re.MULTILINE)
)
def test_a_wrong_extension_is_an_error_in_its_line(tmp_path: Path, extension: str, message: str) -> None:
    expected = " ".join(message.split()).replace("…:", "services.box.x-buildproof:")
    expected = expected.replace("…", "services.box.x-buildproof.")
    assert complaints(tmp_path, service("cpus: 1", extension)) == [expected]


def test_a_profile_is_checked_with_the_builder_below_it(tmp_path: Path) -> None:
    text = service("{mem_limit: 4g, memswap_limit: 6g}", "{target: linux-x86_64, profiles: {8g: {mem_limit: 8g}}}")
    assert complaints(tmp_path, text.replace("{mem", "<<: {mem", 1)) == [
        (
            "5:53: services.box.x-buildproof.profiles.8g.memswap_limit: 6 GiB is memory and swap together, "
            "and cannot be less than mem_limit, 8 GiB"
        )
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x: 1\n", ["1:1: unknown key 'x'; known here: name, version, services", " 'services' is missing"]),
        ("services:\n", ["1:1: services: has no value: write one, or leave the key out"]),
        ("services: {}\n", ["1:1: services: no service has x-buildproof, so there is no builder"]),
        (
            "services: {a: {image: x}}\n",
            ["1:1: services: no service has x-buildproof, so there is no builder"],
        ),
        ("services: {a: 1}\n", ["1:12: services.a: must be a table of keys and values, not the number 1"]),
        (
            "services: {a: {x-buildproof: {target: linux-i686}}}\n",
            ["1:12: services.a: has neither 'image' nor 'build'"],
        ),
        (
            "services: {A: {image: x, x-buildproof: {target: linux-i686}}}\n",
            ["1:12: services.A: 'A' must be lower-case letters, digits, dots, dashes and underscores, 63 at most"],
        ),
        (
            service("cpus: 1") + "volumes: {}\n",
            [
                (
                    "6:1: 'volumes' is not supported by a builder, because nothing of the host is mounted, "
                    "files go in and out as tar streams"
                )
            ],
        ),
    ],
)
def test_a_file_without_a_usable_builder_is_an_error(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert sorted(complaints(tmp_path, text)) == sorted(expected)


def test_all_errors_of_a_compose_file_come_together(tmp_path: Path) -> None:
    text = service("cpus: 0\n    cpus: 1\n    mem_limit: x\n    ports: []", "{target: x}") + service("tty: 1")[10:]
    found = complaints(tmp_path, text.replace("  box:", "  other:", 1))
    assert [line.partition(":")[0] for line in found] == ["4", "5", "6", "7", "8", "11"]
    assert found[1] == "5:5: 'cpus' is a duplicate: it stands in line 4 already"
