"""What runs on the cluster: a command of Concordat in a job, with a ``runs`` folder that outlasts it.

    python -m cluster.jobs.entry negotiate --cultures ...

Ray unpacks a job's working directory into its own scratch space, shares it among jobs that brought the same files, and
takes it away some time afterwards. So the command runs in a folder of its own, where ``runs`` leads to a lasting folder
(``CONCORDAT_RUNS``) and everything else to what came along.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

RUNS_VARIABLE, RUNS = "CONCORDAT_RUNS", "~/concordat-runs"
"""Environment variable that names the folder where ``runs/`` of jobs is, and the folder if it is not set."""


def arrange(brought: Path, kept: Path, place: Path) -> None:
    """Make ``place`` look like the folder that was brought, with ``runs`` leading to the folder that is kept."""
    kept.mkdir(parents=True, exist_ok=True)
    for entry in brought.iterdir():
        if entry.name != "runs":
            (place / entry.name).symlink_to(entry)
    (place / "runs").symlink_to(kept, target_is_directory=True)


def main() -> None:
    """Run the command line in this process; its exit status is the job's."""
    kept = Path(os.environ.get(RUNS_VARIABLE, RUNS)).expanduser().absolute()
    place = Path(tempfile.mkdtemp(prefix="concordat-job-"))
    try:
        arrange(Path.cwd(), kept, place)
    except OSError as error:
        shutil.rmtree(place, ignore_errors=True)
        sys.exit(
            f"concordat: the folder for results, {kept}, cannot be used on the cluster ({error.strerror});"
            " name another with --runs"
        )
    from cluster.cli import leave, run_as_program

    os.chdir(place)
    try:
        status = run_as_program(sys.argv[1:])
    finally:
        shutil.rmtree(place, ignore_errors=True)  # links only
    leave(status)


if __name__ == "__main__":
    main()
