"""Runs the reporter's tests on every Python 3.9 to 3.13 of this machine, the tests of frameworks where PyTorch is, and asks
`vermin` for the oldest language level. Says on standard error what was found and what was not; exits 1 when something failed.

    python check.py [--torch PYTHON] [--cache DIR] [--quick]

Environments are kept outside the checkout, in `~/.cache/plimsoll` (or PLIMSOLL_CACHE). `--torch` names a Python that has
PyTorch; its environment is read, never changed: one of our own is layered over it, with transformers, accelerate and
Megatron-core. `--quick` leaves those out.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, List, Optional

HERE = Path(__file__).resolve().parent
MINORS = range(9, 14)
FRAMEWORKS = {
    'frameworks-5': ['transformers==5.24.0', 'accelerate', 'megatron-core==0.16.1'],
    'frameworks-4': ['transformers==4.57.6'],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--torch', help='a Python that has PyTorch')
    parser.add_argument('--cache', default=os.environ.get('PLIMSOLL_CACHE') or str(Path.home() / '.cache' / 'plimsoll'))
    parser.add_argument('--quick', action='store_true')
    options = parser.parse_args()
    cache = Path(options.cache)
    failed: List[str] = []
    found = pythons()
    for minor in MINORS:
        say(f'python3.{minor}: {found.get(minor, "not found, not tested")}')
    core = [f'--ignore=tests/test_{name}.py' for name in ('torch', 'cuda', 'frameworks')]
    made = {
        minor: environment(cache / f'reporter-tests-3.{minor}', python, ['pytest', 'vermin'])
        for minor, python in found.items()
    }
    # Most of their time is waiting; more than two at once would be about the machine, not about the reporter.
    with ThreadPoolExecutor(max_workers=2) as pool:
        codes = dict(zip(made, pool.map(lambda tests: pytest(tests, core), made.values())))
    for minor, tests in made.items():
        note(failed, f'tests on 3.{minor}', codes[minor])
        if minor == max(found):
            # Annotations are never evaluated here, so they may be of a newer language.
            level = subprocess.run([str(tests.parent / 'vermin'), '-t=3.9-', '--violations', '--no-tips',
                                    'plimsoll_reporter', 'auto'], cwd=HERE)
            note(failed, 'language level 3.9', level.returncode)
    if options.quick:
        say('frameworks: not asked for')
    elif options.torch is None:
        say('frameworks: not tested, --torch names no Python that has PyTorch')
    else:
        for name, packages in FRAMEWORKS.items():
            version = output(options.torch, 'import sys; print("%d.%d" % sys.version_info[:2])')
            folder = output(options.torch, 'import os, torch; print(os.path.dirname(os.path.dirname(torch.__file__)))')
            base = output(options.torch, 'import sys; print(sys.executable)')
            layered = environment(cache / f'reporter-{name}-{version}', base, ['pytest', *packages], under=folder)
            note(failed, name, pytest(layered, ['tests/test_torch.py', 'tests/test_cuda.py', 'tests/test_frameworks.py', '-rs']))
    say(f'failed: {", ".join(failed)}' if failed else 'all passed')
    return 1 if failed else 0


def pythons() -> Dict[int, str]:
    """The interpreters that really start: a shim of pyenv may be there without the version behind it."""
    found: Dict[int, str] = {}
    versions = Path(os.environ.get('PYENV_ROOT') or Path.home() / '.pyenv') / 'versions'
    for minor in MINORS:
        candidates = [shutil.which(f'python3.{minor}'), *map(str, sorted(versions.glob(f'3.{minor}.*/bin/python3')))]
        for candidate in candidates:
            if candidate and output(candidate, 'import sys; print(sys.version_info[1])') == str(minor):
                found[minor] = candidate
                break
    return found


def environment(folder: Path, python: str, packages: List[str], under: Optional[str] = None) -> Path:
    """The Python of an environment with these packages. A mark is written last, so that half of one is made again."""
    inside = folder / 'bin' / 'python'
    mark = folder / 'packages'
    wanted = '\n'.join([*packages, under or ''])
    if not mark.is_file() or mark.read_text() != wanted:
        say(f'preparing {folder}')
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, '-m', 'venv', str(folder)], check=True)
        if under is not None:
            site = output(str(inside), 'import sysconfig; print(sysconfig.get_path("purelib"))')
            (Path(site or '') / 'under.pth').write_text(f'{under}\n')
        subprocess.run([str(inside), '-m', 'pip', 'install', '-q', '--disable-pip-version-check', *packages], check=True)
        mark.write_text(wanted)
    return inside


def pytest(python: Path, arguments: List[str]) -> int:
    return subprocess.run([str(python), '-B', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *arguments], cwd=HERE).returncode


def output(python: str, code: str) -> Optional[str]:
    try:
        ended = subprocess.run([python, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.strip() if ended.returncode == 0 else None


def note(failed: List[str], what: str, code: int) -> None:
    say(f'{what}: {"passed" if code == 0 else "FAILED"}')
    if code != 0:
        failed.append(what)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == '__main__':
    sys.exit(main())
