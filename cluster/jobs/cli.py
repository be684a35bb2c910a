"""``concordat submit`` and ``concordat jobs``: bodies parse and call one function, which is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cluster import flags

JobAddress = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        help="The cluster's dashboard (default: RAY_API_SERVER_ADDRESS, else http://127.0.0.1:8265).",
    ),
]
JobName = Annotated[str, typer.Argument(metavar="JOB", help="Id of a job.")]

jobs_app = typer.Typer(
    no_args_is_help=True,
    help="The jobs of a Ray cluster; 'concordat submit' makes one.",
    rich_markup_mode="rich",
)


def submit_command(
    context: typer.Context,
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND ...", help="Any command of Concordat, after --.")
    ],
    address: JobAddress = None,
    id: Annotated[str | None, typer.Option("--id", help="Id of the job (default: one made up).")] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Print the job's id and return at once.")
    ] = False,
    working_dir: Annotated[
        Path, typer.Option("--working-dir", metavar="DIR", help="Folder that goes along (default: this one).")
    ] = Path("."),
    no_working_dir: Annotated[bool, typer.Option("--no-working-dir", help="Send no files along.")] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="PATTERN",
            help="Leave out more than .gitignore and .rayignore say, with their patterns; repeat for more.",
        ),
    ] = None,
    max_mb: Annotated[
        float, typer.Option("--max-mb", min=0, max=500, help="Most megabytes that go along.")
    ] = 100.0,
    python: Annotated[
        str | None,
        typer.Option(
            "--python",
            metavar="PATH",
            help="Interpreter on the cluster that has Concordat (default: 'python' there; on this machine: this one).",
        ),
    ] = None,
    runs: Annotated[
        str,
        typer.Option("--runs", metavar="DIR", help="Folder on the cluster where the job's runs/ is kept."),
    ] = "~/concordat-runs",
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            metavar="NAME[=VALUE]",
            help="Environment variable of the job; repeat for more. CONCORDAT_... go along.",
        ),
    ] = None,
    runtime_env: Annotated[
        Path | None,
        typer.Option(
            "--runtime-env", metavar="FILE", help="More of Ray's runtime environment (YAML), e.g. pip."
        ),
    ] = None,
    cpus: Annotated[float | None, typer.Option("--cpus", min=0, help="CPUs for the command itself.")] = None,
    gpus: Annotated[float | None, typer.Option("--gpus", min=0, help="GPUs for the command itself.")] = None,
    json: flags.Json = False,
) -> None:
    """Run a command of Concordat as a job of a Ray cluster, and follow it; its exit status is the job's.

    Ctrl-C leaves the job running and says how to come back to it. Results under runs/ stay on the cluster.

    [bold]Example[/bold]: concordat submit --address http://head:8265 -- negotiate --cultures confucian latin-america \
--topics examples
    """
    from cluster.jobs.commands import Submission, submit

    asked = Submission(
        command=tuple(command),
        address=address,
        id=id,
        wait=not no_wait,
        working_dir=None if no_working_dir else working_dir,
        excludes=tuple(exclude or ()),
        max_mb=max_mb,
        python=python,
        runs=runs,
        env=tuple(env or ()),
        runtime_env=runtime_env,
        cpus=cpus,
        gpus=gpus,
    )
    raise typer.Exit(submit(asked, context.obj))


@jobs_app.command("list")
def _list(
    context: typer.Context,
    address: JobAddress = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Programs that connected by themselves, too.")
    ] = False,
    json: flags.Json = False,
) -> None:
    """Name the cluster's jobs, the latest first."""
    from cluster.jobs.commands import list_jobs

    raise typer.Exit(list_jobs(address, everything, context.obj))


@jobs_app.command("logs")
def _logs(
    context: typer.Context,
    job: JobName,
    address: JobAddress = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    json: flags.Json = False,
) -> None:
    """Print what a job wrote; with --follow, as it is written, and the exit status is the job's."""
    from cluster.jobs.commands import show_log

    raise typer.Exit(show_log(job, address, follow, context.obj))


@jobs_app.command("stop")
def _stop(context: typer.Context, job: JobName, address: JobAddress = None, json: flags.Json = False) -> None:
    """Stop a job as Ctrl-C would, and wait for its end; a run can be resumed by another job."""
    from cluster.jobs.commands import stop_job

    raise typer.Exit(stop_job(job, address, context.obj))


@jobs_app.command("wait")
def _wait(
    context: typer.Context,
    job: JobName,
    address: JobAddress = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0, metavar="SECONDS", help="Wait no longer than this.")
    ] = None,
    json: flags.Json = False,
) -> None:
    """Wait for a job's end; the exit status is the job's."""
    from cluster.jobs.commands import wait_for_job

    raise typer.Exit(wait_for_job(job, address, timeout, context.obj))
