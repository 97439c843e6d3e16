"""The program as a function that the engine can call: `__main__.py`, run afresh each time."""

import contextlib
import importlib
import runpy
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pulumi

_SLOW_IMPORTS = tuple(f"pulumi_kubernetes.{group}.v1" for group in ("core", "apps", "batch", "rbac", "networking"))
"""Modules that programs for Kubernetes use and that take long to import, most of a second together."""


class Program:
    """The program as a function: `__main__.py` run afresh each time, in the folder it belongs to."""

    def __init__(self, root: Path, log: Path, expected: dict[str, int] | None) -> None:
        self._root = root
        self._log = log
        self.expected: dict[str, int] = expected if expected is not None else {}
        self._counts = expected is None
        self._layers: dict[pulumi.Resource | None, str] = {}
        self.configuration_errors: list[str] = []

    def import_ahead(self) -> None:
        """Begins to import what takes long, in a thread: the processor has nothing else to do while the engine starts."""

        def run() -> None:
            for name in _SLOW_IMPORTS:
                # The program itself says what it lacks.
                with contextlib.suppress(ImportError):
                    importlib.import_module(name)

        threading.Thread(target=run, daemon=True).start()

    def __call__(self) -> None:
        if self._counts:
            pulumi.runtime.register_stack_transformation(self._count)
        try:
            runpy.run_path(str(self._root / "__main__.py"), run_name="__main__")
        except (Exception, SystemExit) as error:
            lines = _configuration_lines(error)
            self.configuration_errors = lines or []
            # The engine would show the traceback; it goes to the log of the run instead.
            raise pulumi.RunError("\n".join(lines) if lines else self._describe(error)) from None

    def _describe(self, error: BaseException) -> str:
        """An error of the program itself: what, and where in the program. The traceback goes to the log."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.write_text("".join(traceback.format_exception(error)))
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(self._root)]
        place = f" ({Path(own[-1].filename).relative_to(self._root)}, line {own[-1].lineno})" if own else ""
        return f"the program failed: {type(error).__name__}: {error}{place}; its traceback is in {self._log}"

    def _count(self, args: pulumi.ResourceTransformationArgs) -> None:
        """Notes a resource while it is made: under which layer, so that progress knows how many there will be."""
        layer = self._layers.get(args.opts.parent)
        if not isinstance(args.resource, pulumi.CustomResource):
            self._layers[args.resource] = layer or args.name
        elif not isinstance(args.resource, pulumi.ProviderResource):
            self.expected[layer or "stack"] = self.expected.get(layer or "stack", 0) + 1

    @contextlib.contextmanager
    def at_home(self) -> Iterator[None]:
        """Inside, the project's folder is the working directory and its modules are imported anew; what was there returns after."""
        before = self._take_modules()
        sys.path.insert(0, str(self._root))
        try:
            with contextlib.chdir(self._root):
                yield
        finally:
            sys.path.remove(str(self._root))
            self._take_modules()
            sys.modules.update(before)

    def _take_modules(self) -> dict[str, ModuleType]:
        """Takes the program's own modules out of the import system."""
        own = {name: module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "components"}
        for name in own:
            del sys.modules[name]
        return own


def _configuration_lines(error: BaseException | None) -> list[str] | None:
    """The lines of a ConfigurationError, wherever it stands in a chain of errors. Known by name: the class is a new one in each run."""
    while error is not None:
        if type(error).__name__ == "ConfigurationError":
            return list(getattr(error, "lines", ())) or str(error).splitlines()
        error = error.__cause__ or error.__context__
    return None
