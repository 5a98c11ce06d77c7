"""Speech by espeak-ng in many voices; all sentences are stemtree's own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.datasets.mini.pcm import Audio, generator
from bench.datasets.mini.speech import Utterance, speak
from bench.datasets.rendered.clip import Clip, counted, recorded

SPEECH = "Speech"
LICENCE = "spoken by espeak-ng (GPL-3); text by stemtree (MIT)"
_SAMPLE_RATE = 44_100
_SECONDS = (2.5, 4.0)
_TRAIN_CLIPS, _HELD_OUT_CLIPS = 120, 20

_ENGLISH = (
    "The train to the coast leaves from the second platform.", "Put the kettle on before the others come in.",
    "Nobody has seen the grey cat since Tuesday.", "Why would anyone paint a fence in the rain?",
    "Seven boxes of apples stood behind the shop.", "She laughed, closed the book and went to bed.",
    "Please hold the line, we will be with you shortly.", "The river was higher than I had ever known it.",
    "My brother fixes old radios in his garage.", "Could you turn the music down a little?",
    "Fresh snow fell during the night and covered the road.", "We measured the room twice and still got it wrong.",
    "There is a bakery on the corner that opens at five.", "Take the stairs, the lift is out of order again.",
)  # fmt: skip
_GERMAN = (
    "Der Zug nach Hamburg hat heute zwanzig Minuten Verspätung.", "Kannst du bitte das Fenster zumachen?",
    "Gestern haben wir im Garten die ersten Tomaten geerntet.", "Auf dem Tisch liegen drei Briefe und ein Schlüssel.",
    "Morgen soll es endlich wieder trocken werden.", "Meine Großmutter backt jeden Samstag Brot.",
)  # fmt: skip
_FRENCH = (
    "Le marché ouvre à sept heures, juste après la pluie.", "Où as-tu rangé les clés de la voiture ?",
    "Les enfants jouent dans la cour depuis ce matin.", "Il faudrait repeindre la porte avant l'hiver.",
    "Nous avons manqué le dernier bus du soir.", "Ma voisine apprend à jouer aux échecs.",
)  # fmt: skip
_SPANISH = (
    "Mañana vamos a la playa si no hace viento.", "¿Quién ha dejado la puerta abierta otra vez?",
    "El reloj de la plaza lleva dos años parado.", "Compré pan, queso y una botella de agua.",
    "Los vecinos celebran una fiesta en el patio.", "Mi hermana trabaja en un taller de bicicletas.",
)  # fmt: skip
_ITALIAN = (
    "Il treno per Torino parte dal terzo binario.", "Hai già bagnato le piante sul balcone?",
    "Stasera cuciniamo la zuppa con i fagioli.", "La nonna racconta sempre la stessa storia.",
    "Domani il negozio rimane chiuso tutto il giorno.", "Abbiamo trovato una vecchia mappa in soffitta.",
)  # fmt: skip
_TRAIN = {
    "en": _ENGLISH,
    "de": _GERMAN,
    "en-us": _ENGLISH,
    "fr": _FRENCH,
    "en-gb-x-rp": _ENGLISH,
    "es": _SPANISH,
    "en-029": _ENGLISH,
    "it": _ITALIAN,
}
_VARIANTS = ("m1", "f1", "m2", "f2", "m3", "f3", "m4", "f4", "m5", "f5", "m6", "m7")

_HELD_OUT = {
    "nl+m8": (
        "De fiets staat nog steeds voor het station.", "Wie heeft de laatste koek opgegeten?",
        "In de winter bevriest de vijver achter het huis.", "We drinken koffie op het terras aan de gracht.",
        "Morgen begint de school een uur later.",
    ),
    "sv+steph": (
        "Båten ligger kvar vid bryggan hela veckan.", "Har du sett min gröna mössa någonstans?",
        "På kvällen tände de ljus i alla fönster.", "Det blåser mer än vanligt ute på ön.",
        "Vi plockade blåbär i skogen bakom stugan.",
    ),
    "pt+Andrea": (
        "O barco sai do porto logo depois do almoço.", "Quem fechou a janela da cozinha?",
        "As laranjas deste ano são mais doces.", "O meu tio conserta sapatos numa rua estreita.",
        "Amanhã vamos subir a serra a pé.",
    ),
    "en-gb-scotland+belinda": (
        "The ferry was late, so we walked along the harbour.", "Have they ever found the missing page?",
        "An old clock hung above the empty fireplace.", "Bring a coat, it turns cold after sunset.",
        "Half of the village came to hear the speech.",
    ),
}  # fmt: skip
"""Voices that are never trained on: other languages or accents, other variants, other sentences."""


def clips(split: str, share: float) -> Iterator[Clip]:
    """The spoken clips of a split."""
    if split == "train":
        planned = [_trained(take) for take in range(counted(_TRAIN_CLIPS, share))]
    elif split == "held_out":
        planned = [_held_out(take) for take in range(counted(_HELD_OUT_CLIPS, share))]
    else:
        return
    spoken = speak([utterance for _, utterance in planned], _SAMPLE_RATE)
    for (take, utterance), audio in zip(planned, spoken, strict=True):
        rng = generator("rendered", split, "recording", take)
        heard = recorded(_cut(audio, rng), _SAMPLE_RATE, rng, tuned=False)
        yield Clip(split, "speech", utterance.voice, take, (SPEECH,), LICENCE, heard)


def _trained(take: int) -> tuple[int, Utterance]:
    languages = tuple(_TRAIN)
    language = languages[take % len(languages)]
    # Each round of the languages moves on by a number with no divisor in common: every language has every variant.
    variant = _VARIANTS[(take % len(languages) + 5 * (take // len(languages))) % len(_VARIANTS)]
    return take, _utterance(f"{language}+{variant}", _TRAIN[language], generator("rendered", "speech", take))


def _held_out(take: int) -> tuple[int, Utterance]:
    voice = tuple(_HELD_OUT)[take % len(_HELD_OUT)]
    return take, _utterance(voice, _HELD_OUT[voice], generator("rendered", "held-out speech", take))


def _utterance(voice: str, sentences: tuple[str, ...], rng: np.random.Generator) -> Utterance:
    said = " ".join(sentences[int(at)] for at in rng.choice(len(sentences), 2, replace=False))
    return Utterance(said, voice, rate=int(rng.integers(130, 205)), pitch=int(rng.integers(25, 76)))


def _cut(audio: Audio, rng: np.random.Generator) -> Audio:
    """A few seconds from anywhere in what was said."""
    length = min(round(rng.uniform(*_SECONDS) * _SAMPLE_RATE), len(audio))
    first = int(rng.integers(0, len(audio) - length + 1))
    return audio[first : first + length]
