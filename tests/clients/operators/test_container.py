"""What of the image can be proven without a container: that it is built by the release preset, that
its health check tells a healthy server from none, that the compose file and Prometheus's are
well-formed and speak of each other. Docker itself is not asked."""

import json
import os
import re
import subprocess

import pytest

from servers import REPOSITORY, Server, free_port

FOLDER = REPOSITORY / "packaging/container"


def instructions():
    """The Dockerfile's instructions, continued lines joined."""
    text = re.sub(r"\\\n", "", (FOLDER / "Dockerfile").read_text())
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def health_check():
    (line,) = [line for line in instructions() if line.startswith("HEALTHCHECK")]
    return json.loads(line[line.index("[") :])


def is_healthy(port):
    environment = {**os.environ, "LARDER_PORT": str(port)}
    return (
        subprocess.run(health_check(), env=environment, stderr=subprocess.DEVNULL, timeout=30)
    ).returncode == 0


def test_the_image_is_the_release_preset_and_no_root():
    lines = instructions()
    assert any("cmake --preset release" in line and "CPackConfig" in line for line in lines)
    assert [line for line in lines if line.startswith("USER")] == ["USER larder"]
    assert lines.index("USER larder") < lines.index('ENTRYPOINT ["larder"]')


def test_the_health_check_knows_a_server_from_none():
    with Server("larder") as server:
        assert is_healthy(server.port)
    with Server("larder", "--requirepass", "secret", password="secret") as server:
        assert is_healthy(server.port)
    assert not is_healthy(free_port())


def test_the_variables_of_the_image_and_of_the_compose_file_are_options():
    known = subprocess.run(
        ["grep", "-oE", "^#[a-z-]+ ", REPOSITORY / "packaging/larder.conf"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = {"LARDER_" + word[1:].strip().upper().replace("-", "_") for word in known.splitlines()}
    said = "\n".join(instructions()) + (FOLDER / "compose.yaml").read_text()
    used = set(re.findall(r"\b(LARDER_[A-Z_]+)(?:=|:(?! ?say|\?|-)|: )", said))
    assert used >= {"LARDER_BIND", "LARDER_REQUIREPASS"}
    assert used <= names | {"LARDER_PASSWORD"}


def test_the_compose_file_and_prometheus_agree():
    yaml = pytest.importorskip("yaml")
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (target,) = scraped["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target.split(":")[0] in services
    assert services["exporter"]["environment"]["REDIS_ADDR"] == "redis://larder:6379"
    assert (REPOSITORY / services["larder"]["build"]["dockerfile"]).exists()
