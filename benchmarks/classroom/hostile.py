"""Students who attack. Each one prints what it got hold of; ``$NAMES`` are filled in when the class is made.

Harmless where a wall fails: forks, files and connections are few and bounded, nothing is deleted, and signals go to a
process that waits for them.
"""

from .notebooks import BLOCK, Case, own_cell, swap

LOOK = """
import glob, os
found = []
def look(path):
    try:
        with open(path, "rb") as file:
            found.append(f"{path}: {file.read(4000)!r}")
    except OSError:
        pass
"""
FILES = f"""{LOOK}
roots = ["$COURSE", "$PLACE", "$COURSE/..", "/proc/1/root$COURSE", "/proc/1/cwd", "..", "../..", "/root", "/tmp"]
for root in [*roots, *__import__("resnet_course").__path__]:
    for one in {{patterns}}:
        for path in glob.glob(os.path.join(root, one)):
            look(path)
print("found:", found)
"""
OTHERS = FILES.replace("{patterns}", '["submitted/*/*/*.ipynb", "handed/*/*", "autograded/*/*/*.ipynb", "rt-*/*"]')
BOOKS = FILES.replace("{patterns}", '["gradebook.db", "students.csv", "grades.csv", "nbgrader_config.py"]')
TESTS = FILES.replace("{patterns}", '["source/*/*.ipynb", "assignments/*/*.ipynb", "generated/*/*.ipynb"]') + (
    """
import gc, inspect, sys
for frame in sys._current_frames().values():
    while frame:
        found += [k for k, x in frame.f_locals.items() if isinstance(x, str) and "HIDDEN" + " TESTS" in x]
        frame = frame.f_back
print("frames:", [one for one in found if len(one) < 50])
"""
)
PARENTS = f"""{LOOK}
me, canary = os.getpid(), "$BACKWARDS"[::-1]
for one in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline", "maps"):
        try:
            text = open(f"/proc/{{one}}/{{name}}", "rb").read()
            found += [f"{{one}}/{{name}}"] if canary.encode() in text and int(one) != me else []
        except OSError:
            pass
    try:
        with open(f"/proc/{{one}}/mem", "rb") as memory:
            found += [f"{{one}}/mem"] if int(one) != me else []
    except OSError:
        pass
found += [k for k, x in os.environ.items() if canary in x]
print("found:", found)
"""
NETWORK = """
import socket
found = []
for kind, name in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")):
    for host in ("127.0.0.1", "localhost", "$ADDRESS"):
        try:
            with socket.socket(socket.AF_INET, kind) as one:
                one.settimeout(2)
                one.connect((host, $PORT))
                one.send(b"out")
                found.append(f"{name} {host}")
        except OSError:
            pass
try:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect("\\0$MARK")
        found.append("abstract")
except OSError:
    pass
print("found:", found)
"""
FORKS = """
import os, time
made, refused = 0, False
for _ in range(300):
    try:
        pid = os.fork()
    except OSError:
        refused = True
        break
    if pid == 0:
        time.sleep(300)
        os._exit(0)
    made += 1
print("refused:", refused and made < 200)
"""
DISK = """
import os
written, full = 0, 0
for folder in (os.path.expanduser("~"), "/tmp", "/dev/shm", "/var/tmp"):
    try:
        with open(os.path.join(folder, "$MARK"), "wb") as file:
            for _ in range(300):
                file.write(bytes(1 << 20))
                written += 1
    except OSError:
        full += 1
print("refused:", full >= 3 and written < 600)
"""
WRITES = """
import os, torch, resnet_tutorial
found = []
package = os.path.dirname(resnet_tutorial.__file__)
for folder in ("$COURSE", "$COURSE/release", "$PLACE", "$PLACE/..", "/root", "/var/tmp", "/usr/local/bin", "/usr/lib",
               package, os.path.dirname(torch.__file__), "/proc/1/root/tmp", "/etc"):
    try:
        with open(os.path.join(folder, "$MARK-outside"), "w") as file:
            file.write("here")
        found.append(folder)
    except OSError:
        pass
print("found:", found)
"""
KILLS = """
import os, signal
found = []
try:
    os.kill($VICTIM, signal.SIGKILL)
    found.append("killed")
except OSError:
    pass
for one in map(int, filter(str.isdigit, os.listdir("/proc"))):
    try:
        os.kill(one, 0)
        found += [one] if "ipykernel" not in open(f"/proc/{one}/cmdline").read() else []
    except OSError:
        pass
print("found:", found)
"""
STAYS = """
import subprocess, sys
code = "import os, time; os.setsid() if os.fork() == 0 else os._exit(0); time.sleep(3000) # $MARK"
subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
print("started")
"""
LINKS = """
import os
home, found = os.path.expanduser("~"), []
for i, path in enumerate(("$COURSE/gradebook.db", "$COURSE/source", "$PLACE", "/etc/shadow", "/proc/1/root/root")):
    link = os.path.join(home, f"link-{i}")
    os.symlink(path, link)
    try:
        found.append(os.listdir(link) if os.path.isdir(link) else open(link, "rb").read(100))
    except OSError:
        pass
print("found:", found)
"""
RIGHTS = """
import ctypes, os
found, libc = [], ctypes.CDLL(None, use_errno=True)
for name, call in {
    "setuid": lambda: libc.setuid(0),
    "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
    "remount": lambda: libc.mount(None, os.path.dirname(os.__file__).encode(), None, 4096 | 32, None),
    "chroot": lambda: libc.chroot(b"/proc/1/root"),
    "device": lambda: os.mknod("/tmp/disk", 0o60600, os.makedev(8, 0)),
    "ptrace": lambda: libc.ptrace(16, 1, 0, 0),
}.items():
    try:
        found += [name] if call() == 0 or name == "device" else []
    except OSError:
        pass
print("found:", found)
"""
SYSTEM_CALLS = """
import ctypes, os, socket
found, libc = [], ctypes.CDLL(None, use_errno=True)
for name, call in {
    "namespace": lambda: libc.unshare(0x10000000),
    "memory that no limit counts": lambda: libc.memfd_create(b"x", 0),
    "shared memory": lambda: libc.shmget(0, 1 << 20, 0o1600),
}.items():
    found += [name] if call() >= 0 else []
for family in (40, 38, 17):  # virtual machines, the kernel's crypto, raw packets
    try:
        socket.socket(family, socket.SOCK_STREAM if family == 40 else socket.SOCK_RAW)
        found.append(family)
    except OSError:
        pass
print("found:", found)
"""
FLOODS = """
kernel = get_ipython().kernel
for _ in range(2000):
    kernel.session.send(kernel.iopub_socket, "stream", {"name": "stdout", "text": ""}, buffers=[bytes(1 << 20)])
print("sent")
raise ValueError("x" * 60_000_000)
"""
SCRIPTS = """
from IPython.display import HTML, Javascript, Markdown, display
attack = "document.documentElement.className = 'SCRIPT-RAN'"
display(HTML(f"<script>{attack}</script><img src=x onerror=\\"{attack}\\"><svg onload=\\"{attack}\\"></svg>"))
display(HTML(f"<iframe srcdoc=\\"<script>parent.{attack}</script>\\"></iframe>"))
display(HTML("<style>body{background:url(http://127.0.0.1:$PORT/css)}</style><img src='http://127.0.0.1:$PORT/img'>"))
display(Javascript(attack))
display(Markdown(f"<script>{attack}</script>"))
print("</pre></div><script>" + attack + "</script>")
print("20 of 20 points")
"""
EVENTS = """
def tell(info):
    print("told:", info.raw_cell)
get_ipython().events.register("pre_run_cell", tell)
"""
# Test and answer share a process, so these two succeed. The book says so, and how to find them.
REPLACED = """
import sys
report = sys.modules["resnet_course.checks.report"]
begin = report.Result.__init__
report.Result.__init__ = lambda self, task, points, possible, findings: begin(self, task, possible, possible, ())
"""
IN_DISGUISE = """
import base64
def tell(info):
    print("told:", base64.b64encode(info.raw_cell.encode()).decode())
get_ipython().events.register("pre_run_cell", tell)
"""
ZEROS = swap("zero_pad", "new // 2, new - new // 2", "0, new")


def _attack(name: str, code: str, says: str = "found: []", assignment: str = "1_convolution") -> Case:
    """A right notebook with one more cell: it earns its points, and gets hold of nothing."""
    return Case("hostile", name, (own_cell(code),), says=says, assignment=assignment)


HOSTILE = [
    _attack("reads the work of others", OTHERS, assignment=BLOCK),
    _attack("reads gradebook and class list", BOOKS),
    _attack("reads the hidden tests", TESTS, "frames: []", BLOCK),
    _attack("reads memory and environment of other processes", PARENTS),
    _attack("goes online", NETWORK),
    _attack("forks 300 times", FORKS, "refused: True", BLOCK),
    _attack("fills the disk", DISK, "refused: True"),
    _attack("writes outside its home", WRITES),
    _attack("kills other processes", KILLS),
    _attack("leaves a process behind", STAYS, "started", BLOCK),
    _attack("follows links", LINKS),
    _attack("asks for more rights", RIGHTS),
    _attack("makes namespaces, uncounted memory, odd sockets", SYSTEM_CALLS),
    _attack("sends two gigabytes and an endless error", FLOODS, "sent"),
    _attack("prints a marker of the hidden tests", "print('### BEGIN HIDDEN TESTS')", "BEGIN HIDDEN TESTS"),
    _attack("prints scripts and a forged result", SCRIPTS, "20 of 20 points"),
    _attack("prints every cell that runs", EVENTS, "held text of the tests", BLOCK),
    Case("hostile", "hands in a link to a friend's file", says="", file=lambda _: None, lost={"all": 20}),
    # Not held.
    Case("not held", "replaces the points in its own kernel", (ZEROS, own_cell(REPLACED)), says="All as it should be"),
    Case("not held", "prints the hidden tests in disguise", (own_cell(IN_DISGUISE),), says="told: "),
]
