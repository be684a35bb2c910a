"""The files for clouds, containers and Slurm: what their own programs say of them, and what they run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[4]
DEPLOY = ROOT / "cluster" / "deploy"
SCRIPTS = (ROOT / "setup.sh", DEPLOY / "concordat.sbatch")


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    settings: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60, "check": False}
    return subprocess.run([str(part) for part in command], **settings | options)


# --- Scripts


def inner_scripts() -> dict[str, str]:
    """Scripts that manifests hold, by name."""
    found = {}
    for path in sorted(DEPLOY.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if document.get("kind") == "ConfigMap":
                held = {f"{path.name}-{name}": text for name, text in document["data"].items()}
                found |= {name: text for name, text in held.items() if name.endswith(".sh")}
    return found


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("scripts")
    written = []
    for name, text in inner_scripts().items():
        (folder / name).write_text(text, encoding="utf-8")
        written.append(folder / name)
    assert written
    return [*SCRIPTS, *written]


def test_scripts_are_those_of_bash(scripts: list[Path]) -> None:
    for script in scripts:
        done = run("bash", "-n", script)
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing(scripts: list[Path]) -> None:
    done = run("shellcheck", *scripts)
    assert done.returncode == 0, done.stdout


def test_setup_refuses_vllm_without_gpu_and_unknown_words() -> None:
    for words, said in ((["cpu", "vllm"], "./setup.sh gpu vllm"), (["vlm"], "unknown word 'vlm'")):
        done = run("bash", ROOT / "setup.sh", *words)
        assert done.returncode == 2
        assert said in done.stderr


# --- The image


def dockerfile() -> list[str]:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = run(hadolint, DEPLOY / "Dockerfile")
    assert done.returncode == 0, done.stdout


def test_the_image_is_of_an_exact_base_and_runs_as_no_root() -> None:
    lines = dockerfile()
    (base,) = (line for line in lines if line.startswith("FROM "))
    assert re.fullmatch(r"FROM python:3\.\d+\.\d+-[a-z]+", base)
    last_user = [line for line in lines if line.startswith("USER ")][-1]
    assert last_user.split()[1].split(":")[0] not in ("root", "0")
    assert {"ARG BUILD=cpu"} <= set(lines)


def test_the_image_gets_all_that_it_copies() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    copied = {
        source.rstrip("/")
        for line in dockerfile()
        if line.startswith("COPY ")
        for source in line.split()[1:-1]
    }
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)
    packages = re.search(
        r"^packages = \[(.*)\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert packages is not None
    assert set(re.findall(r'"(\w+)"', packages[1])) <= copied


def test_the_words_of_the_image_are_those_of_setup() -> None:
    known = set(
        re.findall(r"[a-z]+", re.search(r"^ +train \|.*\)", setup_text(), re.MULTILINE)[0])  # type: ignore[index]
    )
    (words,) = (line for line in dockerfile() if line.startswith("ARG EXTRAS="))
    assert set(re.findall(r"[a-z]+", words)) <= known


def setup_text() -> str:
    return (ROOT / "setup.sh").read_text(encoding="utf-8")


# --- ray up


@pytest.fixture(scope="module")
def aws() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "aws.yaml").read_text(encoding="utf-8"))
    return found


def test_rays_own_check_of_the_cloud_file(aws: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(aws)
    validate_config(prepared)
    assert prepared["available_node_types"]["head"]["max_workers"] == 0
    assert prepared["worker_setup_commands"] == aws["setup_commands"]
    for wrong in ({"max_worker": 8}, {"max_workers": -1}, {"head_node_type": "none"}):
        with pytest.raises(Exception, match=r"max_worker|minimum|must be one of|-1"):
            validate_config(prepare_config({**aws, **wrong}))


def test_gpu_nodes_come_and_go(aws: dict[str, Any]) -> None:
    gpu = aws["available_node_types"]["gpu"]
    assert (gpu["min_workers"], gpu["max_workers"]) == (0, aws["max_workers"])
    assert aws["provider"]["cache_stopped_nodes"] is False


def test_commands_of_nodes_are_those_of_bash_and_want_the_token(aws: dict[str, Any]) -> None:
    for name, commands in aws.items():
        if not name.endswith("_commands"):
            continue
        for command in commands:
            assert run("bash", "-n", "-c", command).returncode == 0, command
    for name in ("head_start_ray_commands", "worker_start_ray_commands"):
        assert "RAY_AUTH_MODE=token" in aws[name][-1]
    assert "--dashboard-host=127.0.0.1" in aws["head_start_ray_commands"][-1]
    assert "~/.ray/auth_token" in aws["file_mounts"]


# --- Slurm

SRUN = r"""#!/usr/bin/env bash
echo "srun $*" >> "$LOG"
while [[ ${1:-} == --* ]]; do shift; done
exec "$@"
"""
RAY = r"""#!/usr/bin/env bash
echo "ray $* (token ${#RAY_AUTH_TOKEN}, $RAY_AUTH_MODE)" >> "$LOG"
if [ "$1" = start ]; then touch "$LOG.started"; exec sleep 60; fi
[ -e "$LOG.started" ]
"""
CONCORDAT = r"""#!/usr/bin/env bash
trap 'echo "concordat stopped" >> "$LOG"; exit 130' TERM
echo "concordat $*" >> "$LOG"
if [ -n "${LONG:-}" ]; then for _ in $(seq 100); do sleep 0.1; done; fi
exit 3
"""
SCONTROL = r"""#!/usr/bin/env bash
echo "scontrol $*" >> "$LOG"
if [ "$1" = show ]; then printf 'n1\nn2\nn3\n' | head -n "${NODES:-3}"; fi
"""
HOSTNAME = "#!/bin/sh\necho 'fe80::1 10.0.0.7 10.0.1.7'\n"
PYTHON = r"""#!/bin/sh
cat > /dev/null  # the script that waits for all nodes; here for the workers' start
for _ in $(seq 200); do
  if [ "$3" = 1 ] || grep -q "^ray start --address" "$LOG"; then exit 0; fi
  sleep 0.05
done
exit 1
"""


class Slurm:
    """Stand-ins for Slurm's, Ray's and Concordat's programs, which note what they were asked."""

    def __init__(self, folder: Path) -> None:
        bin = folder / ".venv" / "bin"
        bin.mkdir(parents=True)
        stubs = {"srun": SRUN, "ray": RAY, "concordat": CONCORDAT, "scontrol": SCONTROL}
        for name, text in (stubs | {"hostname": HOSTNAME, "python": PYTHON}).items():
            (bin / name).write_text(text, encoding="utf-8")
            (bin / name).chmod(0o755)
        self.log, self.errors = folder / "log", folder / "errors"
        self.environment = {
            "PATH": f"{bin}:{os.environ['PATH']}",
            "LOG": str(self.log),
            "SLURM_SUBMIT_DIR": str(folder),
            "SLURM_JOB_ID": "41234",
            "SLURM_JOB_NODELIST": "n[1-3]",
            "SLURM_CPUS_PER_TASK": "8",
            "SLURM_GPUS_ON_NODE": "2",
            "CONCORDAT_POLL_S": "0.05",
        }

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        with self.errors.open("w") as errors:
            return subprocess.Popen(
                ["bash", str(DEPLOY / "concordat.sbatch"), *arguments],
                env=self.environment | more,
                stderr=errors,
            )

    @property
    def said(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


@pytest.fixture
def slurm(tmp_path: Path) -> Slurm:
    return Slurm(tmp_path)


ADDRESS = "10.0.0.7:21234"


def test_slurm_starts_a_head_then_workers_then_the_command(slurm: Slurm) -> None:
    process = slurm.start("negotiate", "--topics", "examples", "--out", "runs/none")
    assert process.wait(timeout=30) == 3  # that of the command
    said = slurm.said
    head = next(line for line in said if "ray start --head" in line and line.startswith("srun"))
    assert "--nodelist=n1" in head
    assert "--num-cpus=8 --num-gpus=2" in head
    assert "--node-ip-address=10.0.0.7 --port=21234" in head
    workers = next(line for line in said if f"ray start --address={ADDRESS}" in line)
    assert "--nodes=2 --ntasks=2 --exclude=n1" in workers
    order = [
        said.index(line)
        for line in (
            head,
            workers,
            f"concordat negotiate --topics examples --out runs/none --address {ADDRESS}",
        )
    ]
    assert order == sorted(order)
    assert all("(token 64, token)" in line for line in said if line.startswith("ray "))
    assert not any("requeue" in line for line in said)


def test_slurm_goes_on_with_a_run_that_was_begun_and_needs_no_workers(slurm: Slurm, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "config.yaml").touch()
    process = slurm.start("negotiate", "--out", str(out), NODES="1")
    assert process.wait(timeout=30) == 3
    assert f"concordat negotiate --out {out} --address {ADDRESS} --resume" in slurm.said
    assert not any("--exclude" in line for line in slurm.said)


def test_at_the_end_of_its_time_the_run_is_stopped_and_queued_again(slurm: Slurm) -> None:
    process = slurm.start("negotiate", "--out", "runs/none", LONG="yes")
    end = time.monotonic() + 20
    while not any(line.startswith("concordat") for line in slurm.said):
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 130
    assert slurm.said[-2:] == ["concordat stopped", "scontrol requeue 41234"]


def test_slurm_wants_a_command(slurm: Slurm) -> None:
    assert slurm.start().wait(timeout=20) == 2
    assert "no command" in slurm.errors.read_text()
    assert slurm.said == []
