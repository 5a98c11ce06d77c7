"""A process of its own for a plug-in under test, so that one that hangs or crashes costs only the check that met it."""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import inspect
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

START_SECONDS: Final = 300.0
"""How long loading may take: weights are read, and torch is imported from what may be a cold disk."""
CHECK_SECONDS: Final = 120.0
"""How long one check may take unless said."""


class NotStartedError(RuntimeError):
    """The plug-in cannot be loaded or constructed; ``unavailable`` where it said itself what is missing."""

    def __init__(self, message: str, *, unavailable: bool = False) -> None:
        super().__init__(message)
        self.unavailable = unavailable


class Died(RuntimeError):
    """The process was lost in the middle of a call: it hung and was stopped, or ended by itself."""


class Raised(RuntimeError):
    """The plug-in raised: the exception's class as ``name``, its text, and the line of code that raised it."""

    def __init__(self, name: str, text: str, place: str) -> None:
        super().__init__(name, text, place)
        self.name, self.text, self.place = name, text, place

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Recipe:
    """How to load a plug-in in another process.

    ``path`` is ``module:object``; ``file`` the module's, for modules that cannot be imported by name there, as happens
    to test files. ``subject`` makes what the checks are given from the class, the options and the device.
    """

    subject: Callable[..., Any]
    path: str
    file: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"


def recipe_of(kind: type, subject: Callable[..., Any], *, options: Mapping[str, Any], device: str) -> Recipe:
    """The recipe of a class."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return Recipe(subject, f"{kind.__module__}:{kind.__qualname__}", file, dict(options), device)


class Isolation:
    """Loads a plug-in in a spawned process when it is first called, and again whenever that process was lost."""

    def __init__(self, recipe: Recipe, *, seconds: float = CHECK_SECONDS) -> None:
        self.recipe = recipe
        self.seconds = seconds
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._failure: NotStartedError | None = None

    def __enter__(self) -> Isolation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Load the plug-in, unless it is loaded.

        Raises:
            NotStartedError: it cannot be; the same again at every later call.
        """
        if self._failure is not None:
            raise self._failure
        if self._process is not None:
            return
        spawning = multiprocessing.get_context("spawn")
        self._connection, theirs = spawning.Pipe()
        self._process = spawning.Process(target=_serve, args=(theirs, self.recipe))
        self._process.start()
        theirs.close()
        atexit.register(self.close)
        try:
            said = self._receive(START_SECONDS)
        except Died as error:
            self._failure = NotStartedError(f"{self.recipe.path}: {error} while it was being loaded")
            raise self._failure from None
        if isinstance(said, Raised):
            self.close()
            if said.name == "Unavailable":
                self._failure = NotStartedError(str(said), unavailable=True)
            else:
                self._failure = NotStartedError(f"{self.recipe.path} cannot be loaded: {said.name}: {said}")
            raise self._failure

    def call(self, function: Callable[[Any], Any]) -> Any:
        """What ``function`` returns when it is called on the plug-in's subject there.

        Raises:
            NotStartedError: the plug-in cannot be loaded.
            Died: the call took longer than ``seconds``, or ended the process.
            Raised: the call raised. Exceptions of the kit itself come back as they are.
        """
        self.start()
        assert self._connection is not None
        with suppress(BrokenPipeError):  # it is dead already, and what it left in the pipe says so
            self._connection.send(function)
        said = self._receive(self.seconds)
        if isinstance(said, BaseException):
            raise said
        return said

    def close(self) -> None:
        """End the process, with all that it started."""
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        atexit.unregister(self.close)
        if connection is not None:
            connection.close()
        if process is None or process.pid is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()

    def _receive(self, seconds: float) -> Any:
        assert self._connection is not None
        assert self._process is not None
        try:
            if self._connection.poll(seconds):
                return self._connection.recv()
            reason = f"did not end within {seconds:g} s"
        except (EOFError, ConnectionResetError):
            self._process.join(5)
            reason = f"ended its process ({_exit(self._process.exitcode)})"
        self.close()
        raise Died(reason)


def _exit(code: int | None) -> str:
    if code is None:
        return "it closed its pipe"
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def _serve(connection: Connection, recipe: Recipe) -> None:
    """Load the plug-in, then call what is sent on it, until the other end closes."""
    os.setpgid(0, 0)  # so that what a plug-in starts can be ended with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a plug-in that prints must not spoil the results on stdout
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        subject = recipe.subject(recipe, partial(_find, recipe))
    except BaseException as error:
        connection.send(_tell(error, recipe.file))
        return
    own_file = inspect.getsourcefile(subject.kind)
    connection.send("ready")
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            function = connection.recv()
            try:
                said = function(subject)
            except BaseException as error:
                said = error if type(error).__module__.startswith("taggers.conformance") else _tell(error, own_file)
            connection.send(said)


def _follow_parent() -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _find(recipe: Recipe) -> Any:
    name, _, attribute = recipe.path.partition(":")
    found: Any = _module(name, recipe.file)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def _module(name: str, file: str | None) -> Any:
    """The module of that name, or loaded from its file where the name leads elsewhere or nowhere."""
    try:
        module = importlib.import_module(name)
        if file is None or Path(module.__file__ or "").resolve() == Path(file).resolve():
            return module
    except ModuleNotFoundError as error:
        if file is None or error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _tell(error: BaseException, file: str | None) -> Raised:
    """The exception as it can cross the pipe: its class may not exist on the other side."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file]
    frame = (own or frames)[-1]
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    return Raised(type(error).__name__, text, f"{Path(frame.filename).name}:{frame.lineno}")
