"""Installs the agent (or the coordinator) as a systemd service, and takes it away again.

Repeatable, and says what it does. The files are those of the folder `systemd/`, with the path of the installed
command put in.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cosmic.errors import ConfigurationError, CosmicError, UsageError

Service = Literal["agent", "coordinator"]

COMMANDS: dict[Service, str] = {"agent": "cosmic-agent", "coordinator": "cosmic-cloud"}
COMMANDS_IN_UNITS = "/opt/cosmic/bin/"
"""Where the units in `systemd/` expect the commands; installing puts the true folder in its place."""

SYSUSERS = "etc/sysusers.d/cosmic.conf"
TMPFILES = "etc/tmpfiles.d/cosmic.conf"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what is `done` ("wrote", "unchanged", ...) to `what`."""

    done: str
    what: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to be there: `path` below the root, `text`, permission bits `mode`. `keep`: never overwritten."""

    path: str
    text: str
    mode: int = 0o644
    keep: bool = False


def unit_of(service: Service) -> str:
    """Return the path of a service's unit below the root."""
    return f"etc/systemd/system/cosmic-{service}.service"


def wanted_files(service: Service, command: Path, configuration: str) -> list[Wanted]:
    """Return the files of an installation.

    command: the installed command that the unit starts.
    configuration: text of the configuration to begin with, empty for none.
    Raises ConfigurationError where the service could not run the command.
    """
    _check_command(command)
    unit = template(f"cosmic-{service}.service").replace(f"{COMMANDS_IN_UNITS}{COMMANDS[service]}", str(command))
    files = [
        Wanted(SYSUSERS, template("cosmic.sysusers")),
        Wanted(TMPFILES, template("cosmic.tmpfiles")),
        Wanted(unit_of(service), unit),
    ]
    if configuration:
        files.append(Wanted(f"etc/cosmic/{service}.toml", configuration, mode=0o640, keep=True))
    return files


def template(name: str) -> str:
    """Return a file of `systemd/`: beside this one in an installation, at the root of a checkout."""
    here = Path(__file__)
    for folder in (here.parent / "units", here.parents[2] / "systemd"):
        if (folder / name).is_file():
            return (folder / name).read_text()
    raise CosmicError(
        f"{name} is not part of this installation", remedy="pip install --force-reinstall cosmic-lpbf"
    )


def command_path(service: Service) -> Path:
    """Return the command beside this interpreter, else on the path. Raises UsageError where there is none."""
    import sys  # noqa: PLC0415  only here

    name = COMMANDS[service]
    beside = Path(sys.executable).with_name(name)
    found = beside if beside.is_file() else shutil.which(name)
    if found is None:
        raise UsageError(f"the command {name} is not installed", remedy='pip install "cosmic-lpbf[cloud]"')
    return Path(found).absolute()


def _check_command(command: Path) -> None:
    """Refuse a command that the hardened service cannot see."""
    hidden = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108  where it must not be
    for folder in hidden:
        if command.is_relative_to(folder):
            raise ConfigurationError(
                f"{command} cannot be run by the service",
                why=f"what lies below {folder} is hidden from it",
                remedy="install into /opt: python3 -m venv /opt/cosmic && /opt/cosmic/bin/pip install cosmic-lpbf",
            )
    if any(character.isspace() or character in "%$\"'\\" for character in str(command)):
        raise ConfigurationError(
            f"{command} cannot be written into a unit", remedy="install into a folder with a plain name"
        )


def install(root: Path, files: list[Wanted], service: Service, *, dry_run: bool) -> Iterator[Step]:
    """Bring `files` below `root` and, where `root` is this very system, make systemd know them.

    Raises CosmicError when something cannot be written.
    """
    for file in files:
        path = root / file.path
        if file.keep and path.exists():
            yield Step("kept", str(path))
        elif path.is_file() and path.read_text() == file.text and path.stat().st_mode & 0o777 == file.mode:
            yield Step("unchanged", str(path))
        elif dry_run:
            yield Step("would write", str(path))
        else:
            _write(path, file)
            yield Step("wrote", str(path))
    commands = [
        ["systemd-sysusers", f"/{SYSUSERS}"],
        ["systemd-tmpfiles", "--create", f"/{TMPFILES}"],
        ["systemctl", "daemon-reload"],
    ]
    if any(file.keep for file in files):
        commands.insert(2, ["chgrp", "cosmic", f"/etc/cosmic/{service}.toml"])
    yield from _run(root, commands, dry_run=dry_run)


def uninstall(root: Path, service: Service, *, dry_run: bool) -> Iterator[Step]:
    """Stop the service and remove its unit; the user's files go with the last service. Raises CosmicError.

    Configuration, recordings and the user `cosmic`, who owns them, stay.
    """
    unit = root / unit_of(service)
    if unit.exists():
        yield from _run(root, [["systemctl", "disable", "--now", unit.name]], dry_run=dry_run)
    others = [root / unit_of(other) for other in COMMANDS if other != service]
    last = not any(other.exists() for other in others)
    for path in [unit, *([root / SYSUSERS, root / TMPFILES] if last else [])]:
        if not path.exists():
            yield Step("absent", str(path))
        elif dry_run:
            yield Step("would remove", str(path))
        else:
            _remove(path)
            yield Step("removed", str(path))
    yield from _run(root, [["systemctl", "daemon-reload"]], dry_run=dry_run)
    for folder in ("etc/cosmic", "var/lib/cosmic"):
        if (root / folder).exists():
            yield Step("kept", str(root / folder))


def _run(root: Path, commands: list[list[str]], *, dry_run: bool) -> Iterator[Step]:
    """Run `commands` on this system; below another root they are left to whoever boots it."""
    here = root == Path("/") and Path("/run/systemd/system").is_dir()
    for command in commands:
        text = " ".join(command)
        if not here:
            yield Step("left to do there", text)
        elif dry_run:
            yield Step("would run", text)
        else:
            try:
                subprocess.run(command, check=True, capture_output=True, text=True, timeout=60.0)  # noqa: S603
            except (OSError, subprocess.SubprocessError) as error:
                said = str(getattr(error, "stderr", None) or error).strip()
                raise CosmicError(f"'{text}' failed: {said}", remedy="mend that and install again") from error
            yield Step("ran", text)


def _write(path: Path, file: Wanted) -> None:
    """Write so that nobody ever sees half a file, nor a secret with wider permissions."""
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
        with os.fdopen(descriptor, "w") as opened:
            os.fchmod(opened.fileno(), file.mode)
            opened.write(file.text)
        beside.replace(path)
    except OSError as error:
        raise _refused(path, error) from error


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> CosmicError:
    return CosmicError(
        f"{path}: {error.strerror}", remedy="run it as root (sudo), or look at it first with --dry-run"
    )
