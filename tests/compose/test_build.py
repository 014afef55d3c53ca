"""Building the programs: failures are explained, interrupted builds never look finished, nothing is built twice."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from batchtel.cli.main import main
from batchtel_collector.check import cache
from batchtel_stack import build, toolchain
from batchtel_stack.binaries import BINARIES, GO_MINIMUM, GO_WHEEL, Binary
from batchtel_stack.errors import UnavailableError
from batchtel_stack.lock import Lock
from tests.compose.conftest import Eventually, Spawn
from tests.compose.machine import processes

BUILD = """
import sys
from pathlib import Path
from batchtel_stack import build
from batchtel_stack.binaries import Binary
try:
    build.ensure([Binary(name="hello", version="1.0", module=Path(sys.argv[1]), programs={"hello": "."})])
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of programs; Go's own caches stay."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Go's build cache would follow XDG_CACHE_HOME and start empty.
    monkeypatch.setenv("GOCACHE", os.environ.get("GOCACHE", str(Path.home() / ".cache" / "go-build")))
    return tmp_path / "cache" / "batchtel"


@pytest.fixture
def hello(tmp_path: Path) -> Binary:
    """A small Go module whose program prints hello."""
    module = tmp_path / "hello"
    module.mkdir()
    (module / "go.mod").write_text("module batchtel/hello\n\ngo 1.26.0\n")
    (module / "main.go").write_text('package main\n\nfunc main() { println("hello") }\n')
    return Binary(name="hello", version="1.0", module=module, programs={"hello": "."})


@pytest.fixture
def slow_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A go on PATH whose build never ends, and which has a child as the real one has compilers. Returns its folder."""
    real = shutil.which("go") or str(toolchain.find(print))
    folder = tmp_path / "slow"
    folder.mkdir()
    script = folder / "go"
    script.write_text(
        f'#!/bin/sh\n[ "$1" = build ] || exec {real} "$@"\n'
        f'{sys.executable} -c "import time; time.sleep(600)" {folder} & wait\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def exclusive_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A go on PATH that builds only when the modules of two programs are there, and never twice at once."""
    real = shutil.which("go") or str(toolchain.find(print))
    folder = tmp_path / "jealous"
    folder.mkdir()
    script = folder / "go"
    script.write_text(
        "#!/bin/sh\n"
        f'case "$1" in list) {real} "$@" && touch {folder}/fetched-$(basename $PWD); exit;; '
        f'build) ;; *) exec {real} "$@";; esac\n'
        f"mkdir {folder}/building || {{ echo another build is running; exit 9; }}\n"
        "left=300\n"
        f"while [ $(ls -d {folder}/fetched-* | wc -l) -lt 2 ]; do\n"
        "  left=$((left - 1)); [ $left -gt 0 ] || { echo waited 30 s for the other modules; exit 8; }; sleep 0.1\n"
        "done\n"
        f'{real} "$@"; code=$?\n'
        f"rmdir {folder}/building; exit $code\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_program_is_built_and_found(own_cache: Path, hello: Binary) -> None:
    """The first call builds it, the program runs, and the second call finds it without Go."""
    paths = build.ensure([hello])
    assert paths == {"hello": hello.folder() / "hello"}
    assert subprocess.run(paths["hello"], capture_output=True, check=True).stderr == b"hello\n"
    before = paths["hello"].stat()
    assert build.ensure([hello]) == paths
    assert paths["hello"].stat() == before
    assert hello.folder().is_relative_to(own_cache / "bin")


def test_next_modules_are_fetched_while_one_is_built(own_cache: Path, hello: Binary, exclusive_go: None) -> None:
    """One program is compiled at a time, as they share packages; the network is used meanwhile."""
    second = hello.module.with_name("goodbye")
    shutil.copytree(hello.module, second)
    (second / "go.mod").write_text("module batchtel/goodbye\n\ngo 1.26.0\n")
    goodbye = Binary(name="goodbye", version="1.0", module=second, programs={"goodbye": "."})
    assert build.ensure([hello, goodbye]).keys() == {"hello", "goodbye"}


def test_changed_module_is_built_again(own_cache: Path, hello: Binary) -> None:
    """All inputs of the build are part of the fingerprint; a README is not."""
    before = hello.fingerprint()
    (hello.module / "README").write_text("text")
    assert hello.fingerprint() == before
    (hello.module / "go.sum").write_text("")
    assert hello.fingerprint() != before


def test_broken_module_is_explained(own_cache: Path, hello: Binary, capsys: pytest.CaptureFixture[str]) -> None:
    """A failed build names the program, shows the compiler's output and the log, and leaves no program."""
    (hello.module / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(UnavailableError) as failed:
        build.ensure([hello])
    assert str(failed.value) == (
        "hello 1.0 cannot be built: go ended with 1. Its last lines:\n"
        "  # batchtel/hello\n"
        "  ./main.go:3:15: undefined: undefined\n"
        f"The whole log: {own_cache}/logs/hello.log"
    )
    assert not hello.built()
    assert [path.name for path in (own_cache / "bin").iterdir()] == ["hello.lock"]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Building hello from source. This happens once")
    assert lines[1].startswith("hello: fetching its modules")
    assert re.fullmatch(r"hello: failed \(\d+:\d\d, \d+ packages compiled\)", lines[-1])


def test_the_command_prints_where_the_programs_are(
    own_cache: Path, hello: Binary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`batchtel stack build`: a line for each program on standard output; 3 when a build fails."""
    monkeypatch.setattr("batchtel_stack.commands.BINARIES", [hello])
    for _ in range(2):
        built = CliRunner().invoke(main, ["stack", "build"])
        assert (built.exit_code, built.stdout) == (0, f"hello={hello.folder()}/hello\n")
    (hello.module / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    failed = CliRunner().invoke(main, ["stack", "build"])
    assert (failed.exit_code, failed.stdout) == (3, "")
    assert "error: hello 1.0 cannot be built: go ended with 1. Its last lines:\n" in failed.stderr


def test_ctrl_c_ends_the_command(
    own_cache: Path, hello: Binary, slow_go: Path, spawn: Spawn, eventually: Eventually
) -> None:
    """With exit code 130, as in shells, after a line that a later build continues."""
    code = (
        "import sys; from pathlib import Path\n"
        "from batchtel_stack import commands; from batchtel_stack.binaries import Binary\n"
        "module = Path(sys.argv.pop())\n"
        "commands.BINARIES = [Binary(name='hello', version='1.0', module=module, programs={'hello': '.'})]\n"
        "from batchtel.cli.main import main; main()\n"
    )
    builder = spawn([sys.executable, "-c", code, "stack", "build", str(hello.module)])
    eventually("the compiler runs", lambda: any("sleep" in line for line in processes(slow_go).values()))
    builder.send_signal(signal.SIGINT)
    out, err = builder.communicate(timeout=30)
    assert (builder.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "stopped; the next build continues from here"


def test_ctrl_c_stops_the_compilers(
    own_cache: Path, hello: Binary, slow_go: Path, spawn: Spawn, eventually: Eventually
) -> None:
    """Ctrl-C ends go and its children, prints that the next build continues, and leaves nothing that looks finished."""
    builder = spawn([sys.executable, "-c", BUILD, str(hello.module)])
    eventually("the compiler runs", lambda: any("sleep" in line for line in processes(slow_go).values()))
    builder.send_signal(signal.SIGINT)
    _, err = builder.communicate(timeout=30)
    assert (builder.returncode, err.splitlines()[-1]) == (
        130,
        "stopped; the next build continues from here",
    )
    eventually("no compiler is left", lambda: not processes(slow_go), seconds=5)
    assert [path.name for path in (own_cache / "bin").iterdir()] == ["hello.lock"]


def test_second_builder_waits(own_cache: Path, hello: Binary, spawn: Spawn) -> None:
    """The second builder prints for which process it waits, and uses what the first has built."""
    lock = Lock(own_cache / "bin" / "hello.lock")
    assert lock.acquire()
    second = spawn([sys.executable, "-c", BUILD, str(hello.module)])
    assert second.stderr is not None
    assert second.stderr.readline().startswith("Building hello")
    assert second.stderr.readline() == f"hello: another process builds it ({os.getpid()})\n"
    # What the first builder would have built; no compiler writes a file with this text.
    hello.folder().mkdir(parents=True)
    (hello.folder() / "hello").write_text("made by the first builder")
    assert second.wait(timeout=30) == 0
    assert (hello.folder() / "hello").read_text() == "made by the first builder"
    lock.release()


def test_without_go_and_installers_the_way_out_is_named(
    own_cache: Path, hello: Binary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No Go, no uv, no pip: the error names what is needed and where to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnavailableError) as failed:
        build.ensure([hello])
    assert str(failed.value) == (
        f"building needs Go {'.'.join(map(str, GO_MINIMUM))} or later, there is no go on PATH, and there is neither uv "
        "nor pip to fetch it. Install Go (https://go.dev/dl) or uv, then call the same command again."
    )


def test_old_go_is_not_used(own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Go that is too old counts as none; the one in the cache is used."""
    old = tmp_path / "go"
    old.write_text("#!/bin/sh\necho go1.21.3\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    own = cache.folder() / f"go-{GO_WHEEL}" / "go" / "bin" / "go"
    own.parent.mkdir(parents=True)
    own.touch()
    assert toolchain.version(old) == (1, 21, 3)
    assert toolchain.find(pytest.fail) == own


def test_modules_are_locked() -> None:
    """Every module has its go.sum, and names no folder but those of batchtel's own modules in the package."""
    for binary in BINARIES:
        assert (binary.module / "go.sum").stat().st_size > 0
        replaced = re.findall(r"=> *([./]\S*)", (binary.module / "go.mod").read_text())
        assert [(binary.module / folder).resolve() for folder in replaced] == list(binary.own)
