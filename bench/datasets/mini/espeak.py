"""Speaks one utterance with libespeak-ng and writes it to stdout. Run as a script, a fresh process for each utterance.

espeak-ng has two sources of randomness. It seeds its own from the clock when it starts, which is undone here; the
other is the C library's ``rand``, the same in every fresh process but never again within one. So only a fresh
process says a text the same way every time. It imports nothing but the standard library, to start fast.

Arguments: library, data folder, voice, words per minute, pitch (0-100), text. Output: the sample rate
as a little-endian 32-bit integer, then 16-bit mono samples.
"""

from __future__ import annotations

import ctypes
import sys

# From espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_RATE, _PITCH = 1, 3
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def speak(library: str, data: str, voice: str, rate: int, pitch: int, text: str) -> tuple[int, bytes]:
    """Sample rate and 16-bit mono samples of ``text``.

    Raises:
        RuntimeError: the data folder, the voice or the text was refused.
    """
    espeak = ctypes.CDLL(library)
    espeak.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    sample_rate = espeak.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, data.encode(), _DONT_EXIT)
    if sample_rate <= 0:
        raise RuntimeError(f"espeak-ng cannot read {data}")
    espeak.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    espeak.espeak_ng_SetRandSeed(1)
    chunks: list[bytes] = []

    @_CALLBACK
    def collect(samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int) -> int:
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    espeak.espeak_SetSynthCallback(collect)
    if espeak.espeak_SetVoiceByName(voice.encode()) != 0:
        raise RuntimeError(f"espeak-ng has no voice {voice}")
    espeak.espeak_SetParameter(_RATE, rate, 0)
    espeak.espeak_SetParameter(_PITCH, pitch, 0)
    espeak.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    encoded = text.encode() + b"\0"
    if espeak.espeak_Synth(encoded, len(encoded), 0, 1, 0, _CHARS_UTF8, None, None) != 0:
        raise RuntimeError("espeak-ng refused the text")
    espeak.espeak_Synchronize()
    return sample_rate, b"".join(chunks)


if __name__ == "__main__":
    _library, _data, _voice, _words, _height, _text = sys.argv[1:]
    _hertz, _samples = speak(_library, _data, _voice, int(_words), int(_height), _text)
    sys.stdout.buffer.write(_hertz.to_bytes(4, "little") + _samples)
