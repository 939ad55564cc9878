# SPDX-License-Identifier: LGPL-2.1-or-later
"""One QEMU from start to end.  The host's ends of the guest's ports are sockets that QEMU inherits: nothing has a name in
the file system, and the kernel closes all of it when either side dies."""
import contextlib
import ctypes
import os
import selectors
import shutil
import signal
import socket
import subprocess

from failure import Failure

PROGRAM = "qemu-system-x86_64"
# Without the first three, every second boot stops while the kernel measures its clocks under TCG.
KERNEL_ARGS = ["tsc_early_khz=2000000", "lpj=4000000", "no_timer_check", "console=ttyS0", "panic=-1", "reboot=t",
               "random.trust_cpu=on"]
PORTS = {"out": 1, "err": 2, "status": 3, "files": 4}
CONSOLE_KEPT = 1 << 18
PR_SET_PDEATHSIG = 1


def mark_of(nonce):
    return f"\x01vm-end {nonce}\n".encode()


class Port:
    """What comes from the guest, up to the mark that ends it.  sink takes pieces of bytes."""

    def __init__(self, mark, sink):
        self.mark, self.sink = mark, sink
        self.held = b""
        self.ended = False

    def feed(self, data):
        if self.ended:
            return
        self.held += data
        at = self.held.find(self.mark)
        if at >= 0:
            self.ended = True
            keep = len(self.held) - at
        else:
            keep = self.maybe_mark()
        piece, self.held = self.held[:len(self.held) - keep], self.held[len(self.held) - keep:]
        if piece:
            self.sink(piece)

    def maybe_mark(self):
        """How many bytes at the end may be the beginning of a mark."""
        at = self.held.rfind(self.mark[:1], max(0, len(self.held) - len(self.mark)))
        return len(self.held) - at if at >= 0 and self.mark.startswith(self.held[at:]) else 0

    def flush(self):
        """The guest is gone: what was held back was output after all."""
        if self.held and not self.ended:
            self.sink(self.held)


class Console:
    """Keeps the end of what the guest's console said."""

    def __init__(self, sink=None):
        self.kept = b""
        self.sink = sink

    def feed(self, data):
        self.kept = (self.kept + data)[-CONSOLE_KEPT:]
        if self.sink:
            self.sink(data)

    def last_lines(self, count=25):
        lines = self.kept.decode(errors="replace").replace("\r", "").splitlines()
        lines = ["".join(c if c.isprintable() or c == "\t" else "?" for c in line) for line in lines]
        return "\n".join("  | " + line for line in lines[-count:]) or "  | (nothing)"


LIBC = ctypes.CDLL(None)


def die_with(parent):
    """For the child before exec: QEMU is killed when the harness is, however that happens."""
    def prepare():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    return prepare


class Machine:
    """Machine(...) describes; run() starts QEMU and returns when all ports have ended, or QEMU has."""

    def __init__(self, kernel, initramfs, memory_mib, cpus, kernel_args, disks):
        self.kernel, self.initramfs = kernel, initramfs
        self.memory_mib, self.cpus, self.kernel_args = memory_mib, cpus, kernel_args
        self.disks = disks                              # serial number -> (path or descriptor, read only)
        self.inherited = [initramfs]
        self.process = None

    def disk_arguments(self, serial, source, read_only):
        if isinstance(source, int):
            self.inherited.append(source)
            source = f"/proc/self/fd/{source}"
        path = str(source).replace(",", ",,")
        return ["-drive", f"if=none,id={serial},format=raw,file={path},file.locking=off,cache=unsafe,"
                          f"read-only={'on' if read_only else 'off'}",
                "-device", f"virtio-blk-device,drive={serial},serial={serial}"]

    def port_arguments(self, sockets):
        args = ["-chardev", f"socket,id=console,fd={sockets['console']}", "-serial", "chardev:console",
                "-device", "virtio-serial-device,max_ports=8"]
        for name, number in PORTS.items():
            args += ["-chardev", f"socket,id={name},fd={sockets[name]}",
                     "-device", f"virtserialport,nr={number},chardev={name},name={name}"]
        return args

    def arguments(self, sockets):
        args = [PROGRAM, "-M", "microvm,accel=tcg", "-cpu", "max,la57=off", "-smp", str(self.cpus), "-m", f"{self.memory_mib}M",
                "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
                "-global", "virtio-mmio.force-legacy=false",
                "-kernel", str(self.kernel), "-initrd", f"/proc/self/fd/{self.initramfs}",
                "-append", " ".join([*KERNEL_ARGS, *self.kernel_args])]
        for serial, (source, read_only) in self.disks.items():
            args += self.disk_arguments(serial, source, read_only)
        return args + self.port_arguments(sockets)

    def start(self, ends):
        sockets = {name: end.fileno() for name, end in ends.items()}
        args = self.arguments(sockets)
        if not shutil.which(PROGRAM):
            raise Failure(f"no {PROGRAM} on this host: package qemu-system-x86 (packaging/install-deps vm)")
        self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        pass_fds=[*self.inherited, *sockets.values()], start_new_session=True,
                                        preexec_fn=die_with(os.getpid()))

    def run(self, sinks):
        """sinks: name of a port, console or qemu -> object with feed(bytes); ports have ended, too."""
        with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
            stack.callback(self.stop)
            theirs = {}
            for name in ["console", *PORTS]:
                ours, theirs[name] = (stack.enter_context(s) for s in socket.socketpair())
                selector.register(ours, selectors.EVENT_READ, sinks[name].feed)
            self.start(theirs)
            for end in theirs.values():
                end.close()
            selector.register(self.process.stdout, selectors.EVENT_READ, sinks["qemu"].feed)
            self.read_all(selector, [sinks[name] for name in PORTS])

    @staticmethod
    def read_all(selector, ports):
        while selector.get_map() and not all(p.ended for p in ports):
            for key, _ in selector.select():
                data = os.read(key.fd, 1 << 16)
                if data:
                    key.data(data)
                else:
                    selector.unregister(key.fileobj)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
