"""The processes of a worker: how its program is started, what descends from us, and what the kernel says of both."""

import errno
import os

import _signal as signal  # as in supervisor.py: the public module is slow to import

SECRET_BYTES_MAX = 65536

PR_SET_CHILD_SUBREAPER = 36

SIGNAL_NAMES = {getattr(signal, name): name for name in dir(signal) if name[:3] == "SIG" and "_" not in name}


class CouldNotStart(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def environment(plan):
    # Not os.environ: under the C locale Python adds LC_CTYPE to it, and the program is to see what we were given.
    given = read("/proc/self/environ", 1 << 21).split(b"\0")
    env = dict(entry.split(b"=", 1) for entry in given if b"=" in entry)
    for name, value in plan["env"].items():
        env[name.encode()] = value.encode()
    for secret in plan["secrets"]:
        env[secret["variable"].encode()] = read_secret(secret["name"], secret["path"])
    return env


def read_secret(name, path):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as why:
        raise CouldNotStart(126, "the secret %s could not be read from %s: %s" % (name, path, why.strerror))
    try:
        if os.fstat(fd).st_mode & 0o077:
            raise CouldNotStart(126, "the secret %s is not used: others may read %s; do chmod 600 on it" % (name, path))
        value = os.read(fd, SECRET_BYTES_MAX + 1)
    finally:
        os.close(fd)
    if len(value) > SECRET_BYTES_MAX:
        raise CouldNotStart(126, "the secret %s is longer than %d bytes" % (name, SECRET_BYTES_MAX))
    return value[:-1] if value.endswith(b"\n") else value


def become(plan, env, out, err, report):
    """In the child: turns into the program, or reports why not and ends. Never returns."""
    try:
        signal.set_wakeup_fd(-1)
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        try:
            os.chdir(plan["workdir"])
        except OSError as why:
            raise CouldNotStart(127, "the working directory %s cannot be entered: %s" % (plan["workdir"], why.strerror))
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        execute([word.encode() for word in plan["argv"]], env)
    except CouldNotStart as why:
        os.write(report, ("%d %s" % (why.code, why)).encode("utf-8", "replace")[:4096])
    except BaseException as why:
        os.write(report, ("126 the program could not be started: %s" % why).encode("utf-8", "replace")[:4096])
    finally:
        os._exit(127)


def execute(argv, env):
    name, failure = argv[0], None
    shown = name.decode("utf-8", "replace")
    folders = [b""] if b"/" in name else [folder + b"/" if folder else b"./" for folder in env.get(b"PATH", b"").split(b":")]
    for folder in folders:
        try:
            os.execve(folder + name, argv, env)
        except OSError as why:
            if why.errno in (errno.ENOENT, errno.ENOTDIR) and not os.path.isfile(folder + name):
                continue
            failure = failure or why
    if failure is None:
        place = "" if b"/" in name else ": it is in no folder of PATH (%s)" % env.get(b"PATH", b"").decode("utf-8", "replace")
        raise CouldNotStart(127, "the program %s does not exist%s" % (shown, place))
    if failure.errno == errno.ENOENT:
        raise CouldNotStart(127, "the interpreter that %s names in its first line does not exist" % shown)
    if failure.errno == errno.ENOEXEC:
        raise CouldNotStart(126, "%s is neither a program nor a script with a first line such as #!/bin/sh" % shown)
    raise CouldNotStart(126, "the program %s cannot be executed: %s" % (shown, failure.strerror))


def descendants(worker, subreaper):
    """Everything that lives and has us above it; where orphans do not become ours, also what carries the worker's mark."""
    mark = ("PLIMSOLL_WORKER=" + worker).encode()
    children, found = {}, set()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            fields = stat_of(name)
            if fields[0] in (b"Z", b"X"):
                continue
            children.setdefault(int(fields[1]), []).append(int(name))
            if not subreaper and mark in read("/proc/%s/environ" % name, 1 << 21).split(b"\0"):
                found.add(int(name))
        except OSError:
            continue
    waiting = [os.getpid()]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.add(child)
            waiting.append(child)
    return found


def become_subreaper(libc):
    """Whether orphans below us become our children from now on."""
    return libc is not None and libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def load_libc():
    try:
        import ctypes

        return ctypes.CDLL(None)
    except (ImportError, OSError):
        return None


def outcome(status):
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return "signal %s" % SIGNAL_NAMES.get(number, "SIG%d" % number)
    return "code %d" % os.WEXITSTATUS(status)


def boot_id():
    return read("/proc/sys/kernel/random/boot_id", 64).decode().strip()


def stat_of(pid):
    """The fields of /proc/PID/stat from the state on; the name before may hold blanks and parentheses."""
    return read("/proc/%s/stat" % pid, 4096).rpartition(b")")[2].split()


def start_of(pid):
    return int(stat_of(pid)[19])


def read(path, bytes_max):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while bytes_max > 0:
            part = os.read(fd, min(bytes_max, 1 << 16))
            if not part:
                break
            parts.append(part)
            bytes_max -= len(part)
        return b"".join(parts)
    finally:
        os.close(fd)
