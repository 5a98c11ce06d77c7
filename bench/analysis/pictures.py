"""Pictures of a scene tree: a spectrogram of every track on one colour scale, and a chart of who sounds when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from bench.analysis.chart import draw_chart
from bench.analysis.tree import SCENE_FILE, SceneTree

FLOOR_DB: Final = -80.0
"""Darkest level, relative to the loudest band and column of the mixture."""
TOP_HZ: Final = 16_000.0
_COLUMNS: Final = 720
_BANDS: Final = 96
_PIXELS_PER_BAND: Final = 2
_COLOURS: Final = 64
"""Steps of the colour scale: 1.25 dB each, finer than the eye tells, and a third of the file of 256."""
_WINDOW_SECONDS: Final = 0.046
_SHORTEST_WINDOW: Final = 4
"""Samples; recordings of a few hertz would have windows of less than one."""
_BLOCK_FRAMES: Final = 512
"""Frames of all channels together that are transformed at once."""
_MAP: Final = "magma"

Progress = Callable[[str], None]


def add_pictures(folder: Path, tree: SceneTree, *, progress: Progress | None = None) -> SceneTree:
    """Draw the mixture, every extracted class, the residual and the activity, and write ``scene.json`` anew with them.

    Pictures have no margins: their left and right edges are the beginning and the end of the recording. Bands are
    equally wide on the mel scale (HTK's formula) from 0 Hz to the lower of 16 kHz and half the sample rate; colour is
    the mean power over channels in dB relative to the mixture's loudest point. ``settings["spectrogram"]`` says so.

    Args:
        folder: the folder of ``scene.json`` and the audio that it names.
        tree: what it says.
        progress: told what is being drawn.

    Returns:
        The tree with the paths of its pictures.
    """
    tell = progress or (lambda _: None)
    top = min(TOP_HZ, tree.recording.sample_rate / 2)
    tell("spectrogram of the mixture")
    mixture = mel_power(folder / tree.recording.audio, top=top) / tree.recording.gain**2
    reference = float(mixture.max())

    def drawn(name: str, audio: str, gain: float) -> str:
        tell(f"spectrogram of {name}")
        power = mixture if audio == tree.recording.audio else mel_power(folder / audio, top=top) / gain**2
        relative = f"spectrograms/{Path(audio).stem}.png"
        save_picture(folder / relative, power, reference)
        return relative

    pictures = {
        "recording": tree.recording.model_copy(
            update={"spectrogram": drawn("the mixture", tree.recording.audio, tree.recording.gain)}
        ),
        "classes": tuple(
            entry.model_copy(update={"spectrogram": drawn(entry.name, entry.audio, entry.gain)})
            if entry.audio
            else entry
            for entry in tree.classes
        ),
        "residual_spectrogram": drawn("the residual", tree.residual, tree.residual_gain) if tree.residual else None,
        "settings": {
            **tree.settings,
            "spectrogram": {"scale": "mel", "top_hz": top, "floor_db": FLOOR_DB, "colours": _MAP},
        },
        "chart": draw_chart(folder, tree) if tree.classes else None,
    }
    complete = tree.model_copy(update=pictures)
    _replace(folder / SCENE_FILE, (complete.model_dump_json(indent=1) + "\n").encode())
    return complete


def mel_power(path: Path | BinaryIO, *, top: float) -> np.ndarray:
    """Mean power over channels in each mel band and column of a file, float64 ``(96, columns)``, read block by block.

    A recording of 720 windows or more gets 720 columns, each the mean over the frames in its share of the time.
    """
    import librosa
    import soundfile

    with soundfile.SoundFile(path) as file:
        window = max(_SHORTEST_WINDOW, 2 ** round(np.log2(_WINDOW_SECONDS * file.samplerate)))
        size = _fft_size(file.samplerate, window, top)
        columns = int(min(_COLUMNS, max(1, file.frames // (window // 4))))
        # Frames lie at most half a window apart, and every column holds at least one.
        hop = int(max(1, min(window // 2, file.frames // columns)))
        filters = librosa.filters.mel(
            sr=file.samplerate, n_fft=size, n_mels=_BANDS, fmin=0.0, fmax=top, htk=True, norm=None
        )
        total = np.zeros((_BANDS, columns))
        count = np.zeros(columns)
        for first, frames in _frames(file, window, hop):
            power = np.square(np.abs(np.fft.rfft(frames * np.hanning(window), n=size))).mean(axis=0)
            places = np.minimum((first + np.arange(len(power))) * hop * columns // max(file.frames, 1), columns - 1)
            np.add.at(total.T, places, power @ filters.T)
            np.add.at(count, places, 1)
    return total / np.maximum(count, 1)


def _fft_size(sample_rate: int, window: int, top: float) -> int:
    """Samples per spectrum: twice the window, and so many that the narrowest band, the lowest, holds a bin."""
    import librosa

    narrowest = librosa.mel_to_hz(librosa.hz_to_mel(top, htk=True) / (_BANDS + 1), htk=True)
    return int(max(2 * window, 2 ** np.ceil(np.log2(sample_rate / narrowest))))


def _frames(file: Any, window: int, hop: int) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks of centred windows: number of the first, and ``(channels, frames, window)``."""
    held = np.zeros((file.channels, window // 2))
    wanted = hop * -(-_BLOCK_FRAMES // file.channels)
    first = 0
    while True:
        block = file.read(wanted, dtype="float32", always_2d=True).T
        last = block.shape[1] < wanted
        held = np.concatenate([held, block, np.zeros((file.channels, window // 2 if last else 0))], axis=1)
        if held.shape[1] >= window:
            frames = np.lib.stride_tricks.sliding_window_view(held, window, axis=1)[:, ::hop]
            yield first, frames
            first += frames.shape[1]
            held = held[:, frames.shape[1] * hop :]
        if last:
            return


def save_picture(path: Path, power: np.ndarray, reference: float) -> None:
    """Write a picture: low bands at the bottom, silence in the darkest colour.

    Args:
        path: the PNG file, which is written in one rename.
        power: from :func:`mel_power`.
        reference: the power that is 0 dB, and has the brightest colour; where it is 0, all is silence.
    """
    import io

    from matplotlib import colormaps
    from matplotlib.image import imsave

    floor = 10 ** (FLOOR_DB / 10)
    level = 10 * np.log10(np.maximum(power / reference, floor)) if reference > 0 else np.full(power.shape, FLOOR_DB)
    step = np.rint((1 - np.minimum(level, 0) / FLOOR_DB) * (_COLOURS - 1)).astype(int)
    colours = colormaps[_MAP](np.linspace(0, 1, _COLOURS), bytes=True)[..., :3]
    picture = np.repeat(colours[step[::-1]], _PIXELS_PER_BAND, axis=0)
    png = io.BytesIO()
    imsave(png, np.ascontiguousarray(picture), format="png", pil_kwargs={"optimize": True})
    _replace(path, png.getvalue())


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one rename: whoever reads it finds the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
