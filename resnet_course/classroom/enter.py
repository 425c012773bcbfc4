"""Go behind the walls and start a kernel there. Run as a script, by the grading: ``python enter.py PLAN COMMAND…``.

Standard library only, because it runs before anything else is in reach. Three processes follow one another: this one,
which stays outside; the first process of the new namespaces, which builds the walls; and the kernel, without rights.
"""

import contextlib
import ctypes
import json
import os
import platform
import resource
import signal
import sys
import time

# <sched.h>, <sys/mount.h>, <sys/prctl.h>
NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
KEPT = 2 | 4 | 8 | 1024 | 2048  # no set-user-id, no devices, no programs; how access times are kept
DETACH, DEATH_SIGNAL, CAPABILITY_DROP, NO_NEW_PRIVILEGES = 2, 1, 24, 38
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
DEVICES = ("null", "zero", "full", "random", "urandom")
SOCKETS = 5  # shell, iopub, stdin, control, heartbeat
# What no notebook needs: namespaces and mounts of its own, memory that no limit counts, other processes, others'
# processors, odd corners.
DENIED = """
    mount umount2 move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr pivot_root chroot unshare setns
    memfd_create memfd_secret shmget msgget ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp add_key keyctl
    request_key bpf perf_event_open userfaultfd io_uring_setup open_by_handle_at name_to_handle_at init_module
    sched_setaffinity finit_module delete_module kexec_load kexec_file_load swapon swapoff quotactl reboot acct syslog
"""
FAMILIES = (1, 2, 10, 16)  # of sockets: Unix; IPv4 and IPv6, which lead nowhere; the one that lists network cards
ALLOW, REFUSE, NO_SUCH_CALL = 0x7FFF0000, 0x50000 | 1, 0x50000 | 38  # <seccomp.h>; errno EPERM, ENOSYS
EQUAL, GREATER, MASKED = 4, 6, 7


def main(plan: dict, command: list[str]) -> int:
    """Run the command behind the walls that the plan asks for; return its status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the kernel
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)  # whoever reads what the kernel sends may be ended
        os.sched_setaffinity(0, plan["processors"])
    if plan["walls"] != "namespaces":
        start_kernel(plan, command)
    unshare(own_user=os.getuid() != 0)
    first = os.fork()  # the first process of the new process namespace: with it, all the others end
    if first == 0:
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
        build_walls(plan)
        os._exit(keep_watch(plan, command))
    return os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])


def unshare(own_user: bool) -> None:
    """Leave the namespaces of this machine. Who is not root becomes root in one of their own, which is worth nothing
    outside."""
    uid, gid = os.getuid(), os.getgid()
    call("unshare", NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET | (NEWUSER if own_user else 0))
    if own_user:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)


def build_walls(plan: dict) -> None:
    """A root folder that holds what Python needs, to read, and a small empty home. Nothing else is in reach."""
    call("mount", b"none", b"/", None, REC | PRIVATE, None)
    root = plan["root"]
    room = f"size={plan['disk']},nr_inodes={plan['files']},mode=755"
    call("mount", b"tmpfs", root.encode(), b"tmpfs", NOSUID | NODEV, room.encode())
    for path in plan["read"]:
        bind(path, root + path, readonly=True)
    for link, target in plan["links"].items():
        os.symlink(target, root + link)
    for path in plan["hide"]:
        if os.path.isdir(root + path):
            call("mount", b"tmpfs", (root + path).encode(), b"tmpfs", RDONLY, b"size=4k")
    for device in DEVICES:
        bind(f"/dev/{device}", f"{root}/dev/{device}")
    for folder in ("/proc", "/tmp", "/dev/shm", plan["home"]):
        os.makedirs(root + folder, exist_ok=True)
        os.chmod(root + folder, 0o1777)
    call("mount", b"proc", f"{root}/proc".encode(), b"proc", NOSUID | NODEV, None)
    bind(plan["post"], root + plan["post"])
    with open(f"{root}/etc/passwd", "w") as file:
        file.write(f"student:x:{plan['uid'] if plan['uid'] else 0}:0::{plan['home']}:/bin/sh\n")
    os.chdir(root)
    call("syscall", PIVOT_ROOT[platform.machine()], b".", b".")
    call("umount2", b".", DETACH)
    os.chdir("/")
    call("sethostname", b"grading", 7)


def bind(source: str, target: str, readonly: bool = False) -> None:
    """Show a file or folder at another place."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            open(target, "w").close()
    call("mount", source.encode(), target.encode(), None, BIND | REC, None)
    if readonly:
        kept = os.statvfs(target).f_flag & KEPT  # who is not root may not drop a limit that the mount has already
        call("mount", None, target.encode(), None, REMOUNT | BIND | RDONLY | kept, None)


def keep_watch(plan: dict, command: list[str]) -> int:
    """Start the kernel; when its sockets stand, close the letter box; collect what ends; return the kernel's status."""
    kernel = os.fork()
    if kernel == 0:
        start_kernel(plan, command)
    closed = False
    while True:
        pid, status = os.waitpid(-1, 0 if closed else os.WNOHANG)
        if pid == kernel:
            return os.waitstatus_to_exitcode(status) & 0xFF
        if not closed and len([name for name in os.listdir(plan["post"]) if name.startswith("k-")]) >= SOCKETS:
            call("mount", None, plan["post"].encode(), None, REMOUNT | BIND | RDONLY, None)
            closed = True
        if not closed:
            time.sleep(0.02)


def start_kernel(plan: dict, command: list[str]) -> None:
    """Take limits on, give rights up, become the kernel."""
    if plan["walls"] == "namespaces":
        os.chdir(plan["home"])
    if plan["uid"]:
        for path in (plan["post"], *(os.path.join(plan["post"], name) for name in os.listdir(plan["post"]))):
            os.chown(path, plan["uid"], plan["uid"])
    for name, limit in plan["limits"].items():
        _, hard = resource.getrlimit(getattr(resource, name))
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS knows no limit of addresses
            resource.setrlimit(getattr(resource, name), (limit, limit))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        for capability in range(64):
            libc.prctl(CAPABILITY_DROP, capability, 0, 0, 0)
    if plan["uid"]:
        os.setgroups([])
        os.setresgid(plan["uid"], plan["uid"], plan["uid"])
        os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    if sys.platform == "linux":
        libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        if plan["filtered"] and not filter_system_calls():
            sys.exit("system calls cannot be filtered here")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.umask(0o077)
    os.environ.pop("JPY_PARENT_PID", None)  # the kernel would end because its parent is process 1
    os.execvp(command[0], command)


class Compare(ctypes.Structure):
    """``struct scmp_arg_cmp``: a condition on an argument of a system call."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def filter_system_calls() -> bool:
    """Refuse what no notebook needs, for this process and all that follow; say whether libseccomp is there to do it."""
    try:
        lib = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return False
    lib.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(ALLOW)))

    def refuse(name: str, action: int = REFUSE, *condition: int) -> None:
        number = lib.seccomp_syscall_resolve_name(name.encode())  # negative for one that this library does not know
        compare = Compare(0, *condition) if condition else None
        lib.seccomp_rule_add_array(
            rules, ctypes.c_uint32(action), number, len(condition[:1]), compare and ctypes.byref(compare)
        )

    for name in DENIED.split():
        refuse(name)
    refuse("clone", REFUSE, MASKED, NEWUSER, NEWUSER)
    refuse(
        "clone3", NO_SUCH_CALL
    )  # its flags lie in memory, where no filter sees them; the C library falls back to clone
    for family in set(range(46)) - set(FAMILIES):
        refuse("socket", REFUSE, EQUAL, family, 0)
    refuse("socket", REFUSE, GREATER, 45, 0)
    return lib.seccomp_load(rules) == 0


def call(name: str, *args: object) -> None:
    """A function of the C library; its error is Python's."""
    libc = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_ulong(arg) if isinstance(arg, int) else arg for arg in args]
    if getattr(libc, name)(*words) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}{args}: {os.strerror(error)}")


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        sys.exit(main(json.load(file), sys.argv[2:]))
