"""The `vsvfi` command: arguments only; each command's work is in its own module, imported when it is run."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vsvfi.commands.filter_options import with_filter_options
from vsvfi.commands.render.options import render
from vsvfi.errors import error_line
from vsvfi.filter.arguments import help_of

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Video frame interpolation for VapourSynth.",
)
weights_app = typer.Typer(help="List the weights that models need, and add published ones.")
app.add_typer(weights_app, name="weights")


def _flag(*names: str, help: str, panel: str | None = None) -> Any:  # noqa: A002
    """An option without a value: its help shows no type."""
    return typer.Option(*names, help=help, metavar="", rich_help_panel=panel)


Model = Annotated[str, typer.Option(help=help_of("model"))]
Device = Annotated[str, typer.Option(help=help_of("device"))]
Precision = Annotated[str, typer.Option(help=help_of("precision"))]
Quality = Annotated[str | None, typer.Option(help=help_of("quality"))]


def _version(value: bool) -> None:
    if value:
        from vsvfi import __version__

        typer.echo(f"vsvfi {__version__}")
        raise typer.Exit


@app.callback()
def main_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, metavar="", help="Print the version.")
    ] = False,
) -> None:
    """Video frame interpolation for VapourSynth."""


@app.command(epilog="Example: `vsvfi demo --model flow --out demo`")
def demo(
    out: Annotated[Path, typer.Option(help="Where to write.")] = Path("demo"),
    model: Model = "flow",
) -> None:
    """Interpolate a scene whose true motion is known, and compare with the truth."""
    from rich.console import Console

    from vsvfi.commands.demo.command import demonstrate

    demonstrate(out, model, Console())


@app.command()
def models(
    as_json: Annotated[bool, _flag("--json", help="Print JSON, with all that is known of each model.")] = False,
    every: Annotated[bool, _flag("--all", help="List every version of every model.")] = False,
) -> None:
    """List the models that can be used now, and what is missing for the rest."""
    from vsvfi.commands.models import list_models, models_as_json

    if as_json:
        typer.echo(models_as_json())
    else:
        from rich.console import Console

        list_models(Console(), every=every)


@app.command()
def doctor() -> None:
    """Find what is wrong with the installation, and say what to do."""
    from rich.console import Console

    from vsvfi.commands.doctor import examine, report

    raise typer.Exit(report(examine(), Console()))


app.command(
    epilog="Examples: `vsvfi render film.mkv out.mkv --fps 59.94 --quality best`, "
    "`vsvfi render clip.mp4 slow.mp4 --slow-motion 4 --start 0:12 --end 0:15`"
)(render)


@app.command(epilog="Example: `vsvfi compare film.mkv --models flow,jnmr --frames 100-120`")
@with_filter_options("model")
def compare(
    source: Annotated[Path, typer.Argument(help="The video to take frames from.")],
    frames: Annotated[
        str, typer.Option(help="First and last source frame, as in 100-110; by default the middle.")
    ] = "",
    models: Annotated[
        str, typer.Option(help="What to compare, separated by commas: flow,flow:best,rife:weights=NAME.")
    ] = "flow",
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("compare.html"),
    *,
    filter_options: dict[str, Any],
) -> None:
    """Leave out every second frame, let models predict it, and write a page that compares the results."""
    from rich.console import Console

    from vsvfi.commands import compare as tool

    names = [name.strip() for name in models.split(",") if name.strip()]
    tool.compare(
        source,
        names,
        tool.frame_range(frames) if frames else None,
        out,
        filter_options,
        console=Console(stderr=True),
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@app.command(name="eval", epilog="Example: `vsvfi eval vimeo90k-triplet datasets/vimeo_triplet --model flow`")
def evaluate(
    dataset: Annotated[str, typer.Argument(help="The benchmark; left empty, they are listed.")] = "",
    root: Annotated[Path | None, typer.Argument(help="The folder the benchmark is in.")] = None,
    model: Model = "flow",
    models: Annotated[
        str, typer.Option(help="Several models, separated by commas: measured one after the other, and compared.")
    ] = "",
    weights: Annotated[list[str] | None, typer.Option(help=help_of("weights"))] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    quality: Quality = None,
    out: Annotated[Path, typer.Option(help="The folder for CSV and JSON.")] = Path("results"),
    lpips: Annotated[
        list[Path] | None,
        typer.Option(help="Measure LPIPS and FloLPIPS, too: alexnet or vgg16 of torchvision, and LPIPS's weights."),
    ] = None,
    motion: Annotated[
        str,
        typer.Option(help="Measure models of motion instead: linear, forward-warp, gimm, separated by commas."),
    ] = "",
    estimator: Annotated[str, typer.Option(help="With --motion: the estimator whose flows are the truth.")] = "dis",
    limit: Annotated[int | None, typer.Option(help="Only the first so many samples.")] = None,
    resume: Annotated[bool, _flag("--resume", help="Keep the samples that are already in the CSV.")] = False,
    workers: Annotated[str, typer.Option(help="Processes that share the samples; auto is one for each GPU.")] = "",
    cluster: Annotated[
        str, typer.Option(help="The address of a Ray cluster whose machines see the benchmark under the same path.")
    ] = "",
) -> None:
    """Measure a model on a benchmark, and print it next to the paper's figures."""
    from rich.console import Console

    from vsvfi.commands.evaluate import command as tool
    from vsvfi.commands.workers.crew import Crew, workers_from

    console = Console()
    if root is None:
        tool.list_datasets(console)
        return
    if motion:
        from vsvfi.commands.evaluate.motion import evaluate_motion

        evaluate_motion(dataset, root, _names(motion), estimator, out=out, limit=limit, console=console)
        return
    options = {
        "device": device,
        "precision": precision,
        **({"quality": quality} if quality else {}),
        **({"weights": weights} if weights else {}),
    }
    crew = Crew(workers=workers_from(workers, cluster), cluster=cluster)
    if models:
        from vsvfi.commands.evaluate.comparison import compare_models

        compare_models(
            dataset,
            root,
            _names(models),
            options,
            out=out,
            limit=limit,
            resume=resume,
            lpips=lpips or (),
            crew=crew,
            console=console,
        )
        return
    tool.evaluate(
        dataset,
        root,
        {"model": model, **options},
        out=out,
        limit=limit,
        resume=resume,
        lpips=lpips or (),
        crew=crew,
        console=console,
    )


@app.command(epilog="Example: `vsvfi train jnmr --config configs/jnmr-cpu.toml --out training`")
def train(
    model: Annotated[str, typer.Argument(help="The model to train.")],
    config: Annotated[Path, typer.Option(help="What to do, as TOML: see docs/training.md.")],
    out: Annotated[Path, typer.Option(help="The folder for checkpoints, weights and logs.")] = Path("training"),
    weights: Annotated[
        list[str] | None,
        typer.Option(help="Start from these: names or files of weights, or 'default' for those that the filter uses."),
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Continue from this checkpoint, not from OUT's last one.")] = None,
    allow: Annotated[
        bool, typer.Option("--allow", help="Continue although the checkpoint was written under other settings.")
    ] = False,
    minutes: Annotated[float | None, typer.Option(help="Save and stop after so many minutes.")] = None,
    cache: Annotated[Path | None, typer.Option(help="The folder for decoded footage.")] = None,
) -> None:
    """Train or fine-tune a model; an interrupted run continues where it stopped."""
    from rich.console import Console

    from vsvfi.commands.needs import need_packages

    need_packages("vsvfi train", "train", "torch", "cv2", "tensorboard")
    from vsvfi.train import command

    command.run(
        model,
        config,
        out,
        weights=weights or (),
        resume=resume,
        allow=allow,
        minutes=minutes,
        cache=cache,
        console=Console(),
    )


@weights_app.callback(invoke_without_command=True)
def weights(context: typer.Context) -> None:
    """List what is there, what is known, where it is published and under which licence."""
    if context.invoked_subcommand is None:
        from rich.console import Console

        from vsvfi.commands.weights import list_weights

        list_weights(Console())


@weights_app.command(name="get")
def weights_get(
    model: Annotated[str, typer.Argument(help="The model.")],
    checkpoint: Annotated[str | None, typer.Argument(help="One of its checkpoints; the first if left out.")] = None,
    yes: Annotated[bool, _flag("--yes", "-y", help="Accept the licence without being asked.")] = False,
    origin: Annotated[
        str | None, typer.Option("--from", metavar="URL|FOLDER", help="Look there, not where it is published.")
    ] = None,
) -> None:
    """Download published checkpoints, check them and keep them for use."""
    from rich.console import Console

    from vsvfi.commands.weights import get_weights

    get_weights(model, checkpoint, origin, yes=yes, console=Console())


@weights_app.command(name="add")
def weights_add(
    model_or_file: Annotated[str, typer.Argument(metavar="[MODEL] FILE...", help="The model may be left out.")],
    files: Annotated[list[Path] | None, typer.Argument(metavar="", help="Published checkpoints.")] = None,
    name: Annotated[str | None, typer.Option(help="The name to keep the weights under.")] = None,
) -> None:
    """Check published checkpoints and keep them for use."""
    from rich.console import Console

    from vsvfi.commands.weights import add_weights

    add_weights(model_or_file, files or [], name, Console())


@weights_app.command(name="list")
def weights_list() -> None:
    """The same as `vsvfi weights`: every known checkpoint, and what is there."""
    from rich.console import Console

    from vsvfi.commands.weights import list_weights

    list_weights(Console())


@weights_app.command(name="remove")
def weights_remove(
    model: Annotated[str, typer.Argument(help="The model.")],
    name: Annotated[str | None, typer.Argument(help="The name they are kept under; all by default.")] = None,
) -> None:
    """Delete added weights."""
    from rich.console import Console

    from vsvfi.commands.weights import remove_weights

    remove_weights(model, name, Console())


@weights_app.command(name="path")
def weights_path(
    model: Annotated[str, typer.Argument(help="The model.")],
    name: Annotated[list[str] | None, typer.Argument(help="Weights by name; the default ones if left out.")] = None,
) -> None:
    """Print the files that a model runs with, one a line."""
    from vsvfi.commands.weights import weights_paths

    for path in weights_paths(model, name or []):
        typer.echo(path)


def main() -> None:
    """Entry point of the console script: every error is one line."""
    try:
        app()
    except BrokenPipeError:  # who read the output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except Exception as error:
        vapoursynth = sys.modules.get("vapoursynth")
        if vapoursynth is not None and isinstance(error, vapoursynth.Error):
            line = re.sub(r"^vsvfi\.\w+: ", "", str(error).strip())  # the filter puts its name before
        else:
            line = error_line(error)
        typer.echo(f"vsvfi: {line}", err=True)
        sys.exit(1)
