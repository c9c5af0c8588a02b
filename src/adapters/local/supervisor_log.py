"""The log of a worker: what its program writes, as lines in CRI format, in files that rotate.

A full disk may cost lines, which are counted and told. It must not keep us from reading on, or the program would wait for us.
"""

import os
import time

LINE_BYTES_MAX = 16384  # as the container runtimes cut
READ_BYTES = LINE_BYTES_MAX
UNFINISHED_LINE_MS = 1000  # then it is logged as it is: a progress bar or a last word before a hang has no line end


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


def boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def boot_ms():
    return boot_ns() // 1000000


def complain(text):
    try:
        os.write(2, ("supervisor: %s\n" % text).encode("utf-8", "replace"))
    except OSError:
        pass
