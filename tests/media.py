"""Small videos with everything a render must carry over, and what is in a file, by PyAV."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from vsvfi.commands import ffmpeg

CHAPTERS = """;FFMETADATA1
title=A small film
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1000
title=First
[CHAPTER]
TIMEBASE=1/1000
START=1000
END=2000
title=Second
"""

SUBTITLES = """1
00:00:00,500 --> 00:00:01,500
A caption
"""


def make_film(folder: Path, *, name: str = "film.mkv", colour: str = "bt709", rate: str = "24000/1001") -> Path:
    """Two seconds of two scenes, 96 x 64, with sound, subtitles, chapters, a title and colour tags."""
    (folder / "chapters.txt").write_text(CHAPTERS)
    (folder / "subtitles.srt").write_text(SUBTITLES)
    path = folder / name
    tags = f"setparams=range=tv:color_primaries={colour}:color_trc={colour}:colorspace={colour}"
    scenes = (
        f"testsrc2=s=96x64:r={rate}:d=1[a];color=navy:s=96x64:r={rate}:d=1.0,noise=alls=20:all_seed=1[b];"
        f"[a][b]concat=n=2:v=1:a=0,setsar=8/9,{tags},format=yuv420p[v]"
    )
    inputs = ["-f", "lavfi", "-i", "sine=f=440:r=48000:d=2.002", "-i", str(folder / "subtitles.srt")]
    inputs += ["-i", str(folder / "chapters.txt")]
    flags = ["-color_primaries", colour, "-color_trc", colour, "-colorspace", colour, "-color_range", "tv"]
    ffmpeg.run(
        [
            *inputs,
            *["-filter_complex", scenes, "-map", "[v]", "-map", "0:a", "-map", "1:s", "-map_metadata", "2"],
            *["-map_chapters", "2", "-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", *flags],
            *["-c:a", "aac", "-c:s", "srt" if path.suffix == ".mkv" else "mov_text", "-y", str(path)],
        ],
        "test film",
    )
    return path


@dataclass(frozen=True)
class Contents:
    """What a file holds; times in seconds."""

    kinds: list[str]
    frames: list[float]
    sound: tuple[float, float]
    duration: float
    chapters: list[str]
    title: str
    colour: tuple[int, int, int, int]
    sample_aspect: Fraction
    codec: str


def contents(path: Path) -> Contents:
    """Read a file whole."""
    with av.open(path) as file:
        video = file.streams.video[0]
        times: dict[str, list[tuple[float, float]]] = {}
        for packet in file.demux():
            if packet.pts is not None and packet.time_base is not None:
                length = float((packet.duration or 0) * packet.time_base)
                start = float(packet.pts * packet.time_base)
                times.setdefault(packet.stream.type, []).append((start, start + length))
        context = video.codec_context
        sound = times.get("audio", [(0.0, 0.0)])
        return Contents(
            kinds=[stream.type for stream in file.streams],
            frames=sorted(start for start, _ in times["video"]),
            sound=(min(start for start, _ in sound), max(end for _, end in sound)),
            duration=float(file.duration or 0) / av.time_base,
            chapters=[chapter["metadata"]["title"] for chapter in file.chapters()],
            title=file.metadata.get("title", ""),
            colour=(
                int(context.color_range),
                int(context.color_primaries),
                int(context.color_trc),
                int(context.colorspace),
            ),
            sample_aspect=Fraction(str(video.sample_aspect_ratio or 1)),
            codec=context.name,
        )


def make_long_film(folder: Path, *, uneven: bool = False, scene: float = 1.0) -> Path:
    """Four scenes of one second each, 96 x 64, in which every third frame repeats the one before it."""
    path = folder / "long.mkv"
    scenes = [f"testsrc2=s=96x64:r=16:d={scene},hue=h={90 * k}:s={1 + k},{flip}" for k, flip in enumerate(_FLIPS)]
    joined = ";".join(f"{scene}[s{k}]" for k, scene in enumerate(scenes))
    streams = "".join(f"[s{k}]" for k in range(len(scenes)))
    repeats = "fps=24:round=down"
    times = ",setpts='if(lt(N,48),N/24,2+(N-48)/12)/TB',settb=1/1000" if uneven else ""
    graph = f"{joined};{streams}concat=n={len(scenes)}:v=1:a=0,{repeats},format=yuv420p{times}[v]"
    modes = ["-fps_mode", "vfr", "-enc_time_base", "1/1000"] if uneven else []
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", *modes, "-y", str(path)]
    ffmpeg.run(["-filter_complex", graph, "-map", "[v]", *encode], "test film")
    return path


_FLIPS = ("null", "hflip", "vflip,negate", "transpose=1,scale=96:64,setsar=1")


def frame_digests(path: Path) -> list[str]:
    """A digest of the samples of every frame of a file."""
    with av.open(path) as file:
        return [hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in file.decode(video=0)]
