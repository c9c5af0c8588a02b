"""Owns one worker of a training run while everything else of Plimsoll may be dead.

Started detached, one for each worker, as `python3 -I -S supervisor.py <worker directory>`; the directory's files are its only
interface. It claims the worker, starts its program, drains its output, and ends it when `stop` asks, when the deadline is over or
when the program has left processes behind. The last thing it does is to write `exit`. It must never stop reading the program's
output, never hold training up for a full disk, and never write `exit` while a process of the worker lives.

A worker is `claimed`, then runs, then is `ending`: everything that descends from us gets SIGTERM once (once, so that what a trap
starts to save a checkpoint is not hit), and SIGKILL when the grace is over, again and again until none is left. We are a child
subreaper, so orphans become ours, torchrun's ranks in sessions of their own too: "no child left" means "nothing left".

It is one file, longer than others here: under -I Python imports no neighbour of a script. Python 3.9 and newer, Linux.

Times are CLOCK_BOOTTIME: a step of the wall clock neither ends a run nor keeps it alive, and a suspended machine's time counts.
"""

import errno
import os
import select
import sys
import time

# The public module costs 5 ms of CPU a start for its enumerations, json 3 to 7 ms for its regular expressions; `import ctypes` is 2.
import _signal as signal

LINE_BYTES_MAX = 16384  # as the container runtimes cut
READ_BYTES = LINE_BYTES_MAX
UNFINISHED_LINE_MS = 1000  # then it is logged as it is: a progress bar or a last word before a hang has no line end
STRAGGLERS_GRACE_MS = 5000  # for what a program left behind when it exited by itself
LOOK_MS = 5000  # poll's clock stands still while the machine is suspended, and a wake-up may be lost
LOOK_UNTOLD_MS = 100  # where the kernel gives us no inotify
KILL_AGAIN_MS = 100
RESERVED_BYTES = 4096
SECRET_BYTES_MAX = 65536

PR_SET_CHILD_SUBREAPER = 36
IN_CLOSE_WRITE, IN_MOVED_TO = 0x8, 0x80

SIGNAL_NAMES = {getattr(signal, name): name for name in dir(signal) if name[:3] == "SIG" and "_" not in name}


class CouldNotStart(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def main(directory):
    os.chdir(directory)
    me = "%d\nstart %d\nboot %s" % (os.getpid(), start_of("self"), boot_id())
    # Both are written when the disk may be full, so their space is taken while we can still refuse to start.
    files = {name: Reserved(name) for name in ("pid", "exit")}
    if not claim("pid " + me):
        for file in files.values():
            file.drop()
        return
    ring()
    Supervisor(files).run()


def claim(content):
    """Makes this worker ours. A link either appears whole or exists already, so the claim always says whose it is."""
    mine = "claim.%d" % os.getpid()
    with open(mine, "w", opener=private) as file:
        file.write(content + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(mine, "claim")
    except FileExistsError:
        return False
    finally:
        os.unlink(mine)
    sync_directory()
    return True


class Supervisor:
    def __init__(self, files):
        self.files = files
        self.plan = {}
        self.log = None
        self.streams = {}
        self.main = None
        self.status = None
        self.alone = False
        self.started = None
        self.cause = "itself"
        self.message = ""
        self.deadline = None
        self.asked = set()  # the graces that `stop` has asked for; each counts once, from when we first saw it
        self.kill_at = None
        self.kill_next = 0
        self.pid_written = False
        self.libc = load_libc()
        self.subreaper = self.libc is not None and self.libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0

    def run(self):
        try:
            self.prepare()
            self.look()
            if os.path.exists("../ended") or self.asked:
                self.leave("code 143", "stop", "it was asked to end before it started")
            elif self.deadline is not None and boot_ms() >= self.deadline:
                self.leave("code 143", "deadline", "its deadline was over before it started")
            else:
                self.start()
                self.keep()
                self.leave(outcome(self.status), self.cause, self.message)
        except CouldNotStart as why:
            self.say(str(why))
            self.leave("code %d" % why.code, "could-not-start", str(why))
        except BaseException:
            # A bug of ours, told in supervisor.err. Nothing may train on without a keeper, and without `exit` the end reads unknown.
            while self.main is not None and not self.alone:
                self.send(signal.SIGKILL)
                time.sleep(KILL_AGAIN_MS / 1000)
                self.reap()
            raise

    def prepare(self):
        try:
            self.plan = parse(read("plan.json", 1 << 26).decode("utf-8"))
            self.log = Log(self.plan["logFileBytes"], self.plan["logFiles"])
            self.deadline = self.plan["deadlineBootMs"]
        except (OSError, ValueError, KeyError, StopIteration) as why:
            raise CouldNotStart(126, "its plan.json cannot be read: %r" % why)
        self.listen()

    def listen(self):
        self.poll = select.poll()
        self.wake, tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
        # A shutdown of the machine ends us by SIGTERM: that is a request to stop. Whatever a closing terminal sends is not for us.
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.poll.register(self.wake, select.POLLIN)
        self.notes = watch_directory(self.libc)
        if self.notes is not None:
            self.poll.register(self.notes, select.POLLIN)

    def start(self):
        if self.plan["refusal"] is not None:
            raise CouldNotStart(126, self.plan["refusal"])
        env = environment(self.plan)
        ends = {name: os.pipe2(os.O_CLOEXEC) for name in ("stdout", "stderr")}
        failed, report = os.pipe2(os.O_CLOEXEC)
        self.main = os.fork()
        if self.main == 0:
            become(self.plan, env, ends["stdout"][1], ends["stderr"][1], report)
        os.close(report)
        for name, (reading, writing) in ends.items():
            os.close(writing)
            os.set_blocking(reading, False)
            self.streams[reading] = Stream(name)
            self.poll.register(reading, select.POLLIN)
        problem = os.read(failed, 4096).decode("utf-8", "replace")
        os.close(failed)
        if problem:
            os.waitpid(self.main, 0)
            code, _, message = problem.partition(" ")
            raise CouldNotStart(int(code), message)
        self.started = self.now()
        self.write_pid()

    def write_pid(self):
        # Not synced to disk: after a power cut no process is left that it could name.
        content = "pid %d\nstart %d\nboot %s\n" % (self.main, start_of(self.main), boot_id())
        try:
            self.files["pid"].publish(content + moment("started", self.started), durable=False)
            self.pid_written = True
        except OSError as why:
            complain("the file pid could not be written: %s" % why.strerror)
        ring()

    def keep(self):
        """Until the program has ended and nothing descends from us. One turn: wait, drain, reap, look, decide."""
        while True:
            for fd, _ in self.poll.poll(self.patience()):
                if fd in self.streams:
                    self.drain(fd)
                elif fd == self.wake:
                    if signal.SIGTERM in os.read(fd, 512):
                        self.message = "its supervisor received SIGTERM"
                        self.asked.add(self.plan["graceMs"])
                        self.end("stop", self.plan["graceMs"])
                else:
                    os.read(fd, 65536)
            self.reap()
            if self.status is not None and self.alone:
                break
            self.look()
            self.decide(boot_ms())
            for stream in self.streams.values():
                self.log.write(stream.unfinished(boot_ms(), self.log.stamp))
        for fd in list(self.streams):
            while self.drain(fd):
                pass
        for stream in self.streams.values():
            self.log.write(stream.last(self.log.stamp()))

    def patience(self):
        now = boot_ms()
        until = now + (LOOK_UNTOLD_MS if self.notes is None else LOOK_MS)
        if not self.pid_written or (self.status is not None and not self.subreaper):
            until = now + LOOK_UNTOLD_MS
        if self.kill_at is not None:
            until = min(until, max(self.kill_at, self.kill_next))
        elif self.deadline is not None:
            until = min(until, self.deadline)
        for stream in self.streams.values():
            if stream.rest:
                until = min(until, stream.since + UNFINISHED_LINE_MS)
        return max(0, until - now)

    def drain(self, fd):
        """One read, so that a flood of output does not keep us from a deadline. False when there is nothing more."""
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self.poll.unregister(fd)
            os.close(fd)
            self.log.write(self.streams.pop(fd).last(self.log.stamp()))
            return False
        self.log.write(self.streams[fd].cut(data, self.log.stamp()))
        return True

    def reap(self):
        self.alone = False
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self.main:
                    self.status = status
        except ChildProcessError:
            self.alone = self.subreaper or not self.descendants()

    def look(self):
        """Reads what we are asked. An unreadable deadline changes nothing; an unreadable `stop` still asks to stop."""
        try:
            text = read("deadline", 64).strip()
            self.deadline = None if text == b"none" else int(text)
        except (OSError, ValueError):
            pass
        try:
            grace = int(read("stop", 64))
        except FileNotFoundError:
            return
        except (OSError, ValueError):
            grace = self.plan["graceMs"]
        if grace not in self.asked:
            self.asked.add(grace)
            if self.main is not None:
                self.end("stop", grace)

    def decide(self, now):
        if not self.pid_written:
            self.write_pid()
        if self.kill_at is None:
            if self.deadline is not None and now >= self.deadline:
                self.end("deadline", self.plan["graceMs"])
            elif self.status is not None:
                self.end("itself", min(STRAGGLERS_GRACE_MS, self.plan["graceMs"]))
        if self.kill_at is not None and now >= max(self.kill_at, self.kill_next):
            self.send(signal.SIGKILL)
            self.kill_next = now + KILL_AGAIN_MS

    def end(self, cause, grace):
        first = self.kill_at is None
        self.kill_at = boot_ms() + grace if first else min(self.kill_at, boot_ms() + grace)
        if self.status is None and self.cause == "itself":
            self.cause = cause
        if first and grace > 0:
            self.send(signal.SIGTERM)

    def send(self, number):
        for pid in self.descendants():
            try:
                os.kill(pid, number)
            except OSError:
                pass  # ended meanwhile, or not ours to signal: then it is still there, and so is the worker

    def descendants(self):
        """Everything that lives and has us above it; where orphans do not become ours, also what carries the worker's mark."""
        mark = ("PLIMSOLL_WORKER=" + self.plan["worker"]).encode()
        children, found = {}, set()
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                fields = stat_of(name)
                if fields[0] in (b"Z", b"X"):
                    continue
                children.setdefault(int(fields[1]), []).append(int(name))
                if not self.subreaper and mark in read("/proc/%s/environ" % name, 1 << 21).split(b"\0"):
                    found.add(int(name))
            except OSError:
                continue
        waiting = [os.getpid()]
        while waiting:
            for child in children.get(waiting.pop(), []):
                found.add(child)
                waiting.append(child)
        return found

    def leave(self, ended, cause, message):
        content = "%s\ncause %s\nboot %s\n" % (ended, cause, boot_id())
        if self.started is not None:
            content += moment("started", self.started)
        content += moment("ended", self.now())
        if message:
            content += "message %s\n" % " ".join(message.split())
        if self.log is not None:
            self.log.close()
        while True:
            try:
                self.files["exit"].publish(content, durable=True)
                break
            except FileNotFoundError:
                break  # written, and forgotten already
            except OSError as why:
                complain("the file exit could not be written, trying again: %s" % why.strerror)
                time.sleep(1)
        if not self.pid_written:
            self.files["pid"].drop()
        ring()

    def say(self, text):
        if self.log is not None:
            self.log.write(self.log.stamp() + b" stderr F plimsoll: " + " ".join(text.split()).encode() + b"\n")

    def now(self):
        boot = boot_ms()
        return (self.log.epoch_ms(boot) if self.log is not None else int(time.time() * 1000), boot)


class Stream:
    """Cuts the bytes of one stream into CRI lines. Bytes stay as they are, whatever encoding they are in."""

    def __init__(self, name):
        self.tag = b" " + name.encode() + b" "
        self.rest = b""
        self.since = 0
        self.partial = False

    def cut(self, data, stamp):
        """At most READ_BYTES at a time: so only the first line, with what was left before it, can be longer than a line may be."""
        waiting = len(self.rest) > 0
        text, self.rest = self.rest + data, b""
        part, full = stamp + self.tag + b"P ", stamp + self.tag + b"F "
        end, out = text.find(b"\n"), b""
        while (len(text) if end < 0 else end) > LINE_BYTES_MAX:
            out += part + text[:LINE_BYTES_MAX] + b"\n"
            text, end, self.partial = text[LINE_BYTES_MAX:], max(-1, end - LINE_BYTES_MAX), True
        if end < 0:
            self.rest = text
        else:
            last = text.rindex(b"\n")
            text, self.rest, self.partial = text[:last], text[last + 1 :], False
            out += full + text.replace(b"\n", b"\n" + full) + b"\n"
        if end >= 0 or not waiting:
            self.since = boot_ms()
        return out

    def unfinished(self, now, stamp):
        if not self.rest or now < self.since + UNFINISHED_LINE_MS:
            return b""
        text, self.rest, self.partial = self.rest, b"", True
        return stamp() + self.tag + b"P " + text + b"\n"

    def last(self, stamp):
        if not self.rest and not self.partial:
            return b""
        text, self.rest, self.partial = self.rest, b"", False
        return stamp + self.tag + b"F " + text + b"\n"


class Log:
    """Files `log.N`, where N is how many bytes came before: an offset names the same byte for ever, also when old files are gone."""

    def __init__(self, file_bytes, files):
        self.file_bytes, self.files = file_bytes, files
        self.names = []
        self.fd = None
        self.size = 0
        self.begin = 0
        self.lost = 0
        # Lines are stamped by boot time since here, so that a step of the wall clock does not put them out of order.
        self.zero = time.time_ns() - boot_ns()
        self.second, self.prefix = -1, b""

    def epoch_ms(self, boot):
        return self.zero // 1000000 + boot

    def stamp(self):
        second, rest = divmod(self.zero + boot_ns(), 1000000000)
        if second != self.second:
            self.second, self.prefix = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        return b"%s.%09dZ" % (self.prefix, rest)

    def write(self, lines):
        """What cannot be written is dropped and counted, and the gap is shown as soon as a line can be written again."""
        if not lines:
            return
        if self.lost:
            gap = b" stderr F plimsoll: %d bytes of this log are missing here: the disk did not take them\n" % self.lost
            if not self.append(self.stamp() + gap):
                self.lost += len(lines)
                return
            self.lost = 0
        self.append(lines)

    def append(self, lines):
        written = 0
        try:
            if self.fd is None or (self.size > 0 and self.size + len(lines) > self.file_bytes):
                self.rotate()
            while written < len(lines):
                written += os.write(self.fd, lines[written:] if written else lines)
        except OSError:
            # Readers take whole lines only, and may have taken these already: they stay, the torn one goes.
            kept = lines.rfind(b"\n", 0, written) + 1
            if self.fd is not None and written > kept:
                os.ftruncate(self.fd, self.size + kept)
            self.size += kept
            self.lost += len(lines) - kept
            return False
        self.size += written
        return True

    def rotate(self):
        begin = self.begin + self.size
        name = "log.%d" % begin
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self.fd is not None:
            os.close(self.fd)
        self.fd, self.begin, self.size = fd, begin, 0
        if name not in self.names:
            self.names.append(name)
        while len(self.names) > self.files:
            os.unlink(self.names.pop(0))

    def close(self):
        if self.lost:
            self.write(self.stamp() + b" stderr F plimsoll: end of this log\n")
        if self.fd is not None:
            try:
                os.fsync(self.fd)
            except OSError as why:
                complain("the log could not be synced to disk: %s" % why.strerror)


class Reserved:
    """A small file whose space is taken before it is needed, published by rename."""

    def __init__(self, name):
        self.name, self.path = name, "%s.%d" % (name, os.getpid())
        self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.write(self.fd, b"\n" * RESERVED_BYTES)

    def publish(self, content, durable):
        data = content.encode("utf-8", "replace")[:RESERVED_BYTES]
        os.pwrite(self.fd, data, 0)
        os.ftruncate(self.fd, len(data))
        if durable:
            os.fsync(self.fd)
        os.rename(self.path, self.name)
        if durable:
            sync_directory()

    def drop(self):
        os.close(self.fd)
        os.unlink(self.path)


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


def parse(text):
    try:
        from _json import make_scanner

        class Options:
            strict, object_hook, object_pairs_hook, memo = True, None, None, {}
            parse_float, parse_int, parse_constant = float, int, float

        return make_scanner(Options)(text, 0)[0]
    except (ImportError, AttributeError):
        import json

        return json.loads(text)


def load_libc():
    try:
        import ctypes

        return ctypes.CDLL(None)
    except (ImportError, OSError):
        return None


def watch_directory(libc):
    if libc is None:
        return None
    fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if fd < 0:
        return None
    if libc.inotify_add_watch(fd, b".", IN_CLOSE_WRITE | IN_MOVED_TO) < 0:
        os.close(fd)
        return None
    return fd


def outcome(status):
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return "signal %s" % SIGNAL_NAMES.get(number, "SIG%d" % number)
    return "code %d" % os.WEXITSTATUS(status)


def moment(name, when):
    return "%sEpochMs %d\n%sBootMs %d\n" % (name, when[0], name, when[1])


def ring():
    """Tells whoever watches the folder of all attempts that one of them changed."""
    try:
        os.utime("..")
    except OSError:
        pass


def boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def boot_ms():
    return boot_ns() // 1000000


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


def private(path, flags):
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def sync_directory():
    fd = os.open(".", os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def complain(text):
    try:
        os.write(2, ("supervisor: %s\n" % text).encode("utf-8", "replace"))
    except OSError:
        pass


if __name__ == "__main__":
    main(sys.argv[1])
