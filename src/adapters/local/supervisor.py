"""Owns one worker of a training run while everything else of Plimsoll may be dead.

Started detached, one for each worker, as `python3 -I -S supervisor.py <worker directory>`; the directory's files are its only
interface. It claims the worker, starts its program, drains its output, and ends it when `stop` asks, when the deadline is over or
when the program has left processes behind. The last thing it does is to write `exit`. It must never stop reading the program's
output, never hold training up for a full disk, and never write `exit` while a process of the worker lives.

A worker is `claimed`, then runs, then is `ending`: everything that descends from us gets SIGTERM once (once, so that what a trap
starts to save a checkpoint is not hit), and SIGKILL when the grace is over, again and again until none is left. We are a child
subreaper, so orphans become ours, torchrun's ranks in sessions of their own too: "no child left" means "nothing left".

Its neighbours are `supervisor_log.py` and `supervisor_processes.py`. Python 3.9 and newer, Linux.

Times are CLOCK_BOOTTIME: a step of the wall clock neither ends a run nor keeps it alive, and a suspended machine's time counts.
"""

import os
import select
import sys
import time

# The public module costs 5 ms of CPU a start for its enumerations, json 3 to 7 ms for its regular expressions; `import ctypes` is 2.
import _signal as signal

# Under -I Python does not look for modules beside a script. Our folder comes last, so that nothing in it can stand in for a module of
# the library; and no bytecode of ours is stored, because the folder may be a checkout or read-only. The library's own may be.
sys.path.append(os.path.dirname(__file__))
sys.dont_write_bytecode = True
from supervisor_log import READ_BYTES, UNFINISHED_LINE_MS, Log, Stream, boot_ms, complain
from supervisor_processes import CouldNotStart, become, become_subreaper, boot_id, descendants, environment, load_libc
from supervisor_processes import outcome, read, start_of

sys.dont_write_bytecode = False

STRAGGLERS_GRACE_MS = 5000  # for what a program left behind when it exited by itself
LOOK_MS = 5000  # poll's clock stands still while the machine is suspended, and a wake-up may be lost
LOOK_UNTOLD_MS = 100  # where the kernel gives us no inotify
KILL_AGAIN_MS = 100
RESERVED_BYTES = 4096

IN_CLOSE_WRITE, IN_MOVED_TO = 0x8, 0x80


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
        self.subreaper = become_subreaper(self.libc)

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
        return descendants(self.plan["worker"], self.subreaper)

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


def moment(name, when):
    return "%sEpochMs %d\n%sBootMs %d\n" % (name, when[0], name, when[1])


def ring():
    """Tells whoever watches the folder of all attempts that one of them changed."""
    try:
        os.utime("..")
    except OSError:
        pass


def private(path, flags):
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def sync_directory():
    fd = os.open(".", os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


if __name__ == "__main__":
    main(sys.argv[1])
