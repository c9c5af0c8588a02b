"""Python runs this before any script when its folder is on PYTHONPATH.

It makes `plimsoll_reporter` importable, behind everything else, so that nothing of the job is shadowed. With
PLIMSOLL_REPORTER_AUTO=1 it also waits for torch and Megatron-core to be imported and then attaches to their routers.
It imports nothing that the interpreter has not loaded anyway, and whatever goes wrong here changes nothing.
"""

import os
import sys


def _begin():
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.append(os.path.dirname(here))
    _other(here)
    if os.environ.get('PLIMSOLL_REPORTER_AUTO') != '1' or not os.environ.get('PLIMSOLL_INGEST_URL'):
        return
    # Children of a rank inherit its variables. Who sees the mark of another process is such a child, not a rank.
    mark = os.environ.get('PLIMSOLL_REPORTER_PID')
    if mark is None:
        if os.environ.get('RANK'):
            os.environ['PLIMSOLL_REPORTER_PID'] = str(os.getpid())
    elif mark != str(os.getpid()):
        return
    sys.meta_path.insert(0, _Finder({
        'torch': lambda module: _attach('install'),
        'megatron.core.distributed.finalize_model_grads': lambda module: _attach('megatron', module),
    }))


def _attach(function, *values):
    from plimsoll_reporter import _auto

    getattr(_auto, function)(*values)


def _other(here):
    """The sitecustomize that would have been found without this one: Debian's Python has one, and a job may."""
    import _frozen_importlib
    import _frozen_importlib_external

    path = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    spec = _frozen_importlib_external.PathFinder.find_spec('sitecustomize', path)
    if spec is None or spec.loader is None:
        return
    module = _frozen_importlib.module_from_spec(spec)
    sys.modules['sitecustomize'] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        # As the interpreter would have said it.
        sys.stderr.write('Error in sitecustomize; set PYTHONVERBOSE for traceback:\n%s: %s\n'
                         % (type(error).__name__, error))


class _Finder:
    """Calls a function when a module has been imported, once for each; else it finds nothing."""

    def __init__(self, after):
        self._after = after

    def find_spec(self, name, path=None, target=None):
        # Somebody may only ask whether the module is there: it counts as imported when it is executed.
        if name not in self._after:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, 'find_spec', None)
            spec = find(name, path, target) if find is not None and finder is not self else None
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, 'exec_module'):
                    spec.loader = _Loader(spec.loader, self._after)
                return spec
        return None


class _Loader:
    def __init__(self, loader, after):
        self._loader = loader
        self._after = after

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        # Given back first: a module may look at its loader for its data.
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        try:
            after = self._after.pop(module.__name__, None)
            if after is not None:
                after(module)
        except Exception:
            sys.stderr.write('plimsoll_reporter: could not attach to %s; its expert load is not reported\n'
                             % module.__name__)


try:
    _begin()
except Exception:
    pass
