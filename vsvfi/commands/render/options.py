"""The arguments of `vsvfi render`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vsvfi.commands.filter_options import with_filter_options
from vsvfi.errors import VsvfiError

__all__ = ["render"]

_TIME, _ENCODING, _WORK = "Time", "Encoding", "Segments and machines"


@with_filter_options()
def render(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="IN... OUT", help="The videos to interpolate, and the file to write: .mkv, .mp4 ..."),
    ],
    factor: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER", help="Output frames per source frame: 2, 2.5 or 5/2; 2 by default.", rich_help_panel=_TIME
        ),
    ] = None,
    fps: Annotated[
        str | None,
        typer.Option(metavar="RATE", help="The rate to reach instead: 60, 59.94 or 60000/1001.", rich_help_panel=_TIME),
    ] = None,
    slow_motion: Annotated[
        str | None,
        typer.Option(
            metavar="FACTOR", help="So many times as long, at the source's rate, without sound.", rich_help_panel=_TIME
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="Where to begin: a source frame's number, or a time such as 1:30.5.",
            rich_help_panel=_TIME,
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option(metavar="WHERE", help="Where to end, not included; as --start.", rich_help_panel=_TIME)
    ] = None,
    deinterlace: Annotated[
        bool,
        typer.Option(
            "--deinterlace", metavar="", help="Make a frame of each field first (Bwdif).", rich_help_panel=_TIME
        ),
    ] = False,
    encoder: Annotated[
        str,
        typer.Option(
            help="h264, h265, av1, vp9, prores, lossless, or ffmpeg's name of any video encoder; by default what "
            "fits OUT.",
            rich_help_panel=_ENCODING,
        ),
    ] = "",
    crf: Annotated[
        int | None,
        typer.Option(
            help="Quality of the encoder, of hardware encoders, too: lower is better and larger.",
            rich_help_panel=_ENCODING,
        ),
    ] = None,
    preset: Annotated[str, typer.Option(help="Speed of the encoder.", rich_help_panel=_ENCODING)] = "",
    encoder_options: Annotated[
        str, typer.Option(help="Further options of ffmpeg, as one string.", rich_help_panel=_ENCODING)
    ] = "",
    segment: Annotated[
        float,
        typer.Option(help="Seconds after which a segment ends at the next scene change.", rich_help_panel=_ENCODING),
    ] = 10.0,
    resume: Annotated[
        bool, typer.Option("--resume", metavar="", help="Continue with the segments that are missing.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", metavar="", help="Replace OUT, and start an unfinished one over.")
    ] = (False),
    print_script: Annotated[
        bool, typer.Option("--print-script", metavar="", help="Print the .vpy script of this render, and stop.")
    ] = False,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            metavar="",
            help="Print the segments and how long so many workers would need, and stop.",
            rich_help_panel=_WORK,
        ),
    ] = False,
    workers: Annotated[
        str,
        typer.Option(
            help="Segments to work on at once, each in a process of its own; auto is one for each GPU.",
            rich_help_panel=_WORK,
        ),
    ] = "",
    cluster: Annotated[
        str,
        typer.Option(
            envvar="RAY_ADDRESS",
            help="The address of a Ray cluster whose machines do the work: HOST:PORT, ray://HOST:PORT or auto.",
            rich_help_panel=_WORK,
        ),
    ] = "",
    ship: Annotated[
        bool,
        typer.Option(
            "--ship",
            metavar="",
            help="Send the cluster's machines the parts of the source, and take finished segments back: they need not "
            "see the same folders.",
            rich_help_panel=_WORK,
        ),
    ] = False,
    *,
    filter_options: dict[str, Any],
) -> None:
    """Interpolate a whole video, with its sound, subtitles and chapters."""
    from rich.console import Console

    from vsvfi.commands.render import command
    from vsvfi.commands.render.encoders import encoding_for
    from vsvfi.commands.render.job import Job, rate_from
    from vsvfi.commands.workers.crew import Crew, workers_from

    sources, out = _inputs_and_output(paths, without_output=print_script or plan)
    crew = Crew(workers=workers_from(workers, cluster), cluster=cluster, ship=ship)
    console = Console(stderr=True)
    for source in sources:
        job = Job(
            source=source,
            rate=rate_from(factor, fps, slow_motion),
            slow=slow_motion is not None,
            deinterlace=deinterlace,
            start=start,
            end=end,
            filter=filter_options,
        )
        if print_script:
            typer.echo(command.script(job), nl=False)
            continue
        target = out / f"{source.stem}.mkv" if len(sources) > 1 and out else out
        encoding = encoding_for(
            target or Path("out.mkv"),
            encoder=encoder,
            crf=crf,
            preset=preset,
            options=encoder_options,
            segment_seconds=segment,
        )
        if plan:
            command.print_plan(job, encoding, crew, console)
        elif target is not None:
            command.render(job, target, encoding, crew, resume=resume, overwrite=overwrite, console=console)


def _inputs_and_output(paths: list[Path], *, without_output: bool) -> tuple[list[Path], Path | None]:
    if without_output and len(paths) == 1:
        return paths, None
    if len(paths) < 2:
        raise typer.BadParameter("say where to write: vsvfi render IN OUT", param_hint="OUT")
    *sources, out = paths
    if len(sources) > 1 and not out.is_dir():
        raise VsvfiError(f"several inputs go into a folder, and {out} is none: make it first")
    return sources, out
