"""The settings of the coordinator."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud.configuration import CoordinatorSettings, load_settings
from cosmic.errors import ConfigurationError


def test_defaults_need_no_file() -> None:
    settings = load_settings(None)
    assert settings == CoordinatorSettings()
    assert (settings.listen.host, settings.listen.port) == ("127.0.0.1", 8470)


def test_file_and_environment_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "coordinator.toml"
    file.write_text("[listen]\nport = 0\n[engine]\nname = 'local'\nblocks_rows = 4\n[limits]\nopen_job_s = 1.5\n")
    monkeypatch.setenv("COSMIC_ENGINE__PRECISION", "float32")
    settings = load_settings(file)
    assert (settings.listen.port, settings.engine.blocks_rows, settings.engine.precision) == (0, 4, "float32")
    assert settings.limits.open_job_s == 1.5


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[listen]\nports = 1", "listen.ports"),
        ("[listen]\nport = 65536", "listen.port"),
        ("[engine]\nname = 'lambada'", "engine.name"),
        ("[engine]\nblocks_rows = 0", "engine.blocks_rows"),
        ("[engine]\ntolerance = 0.0", "engine.tolerance"),
        ("[parts]\nidle_s = -1.0", "parts.idle_s"),
    ],
)
def test_bad_values_are_named(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "coordinator.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=what):
        load_settings(file)
