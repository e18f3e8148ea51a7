"""The works of `../shared/data/expr` in heyoka, on one core: {name: {"scalar", "batch", "compile"}} as
JSON, in nanoseconds a point and CPU seconds.

    python3 heyoka.py [NAME]

Scalar is points one after the other in heyoka's own loop, batch is 10^5 points by vectors, each the
least over SETTINGS; which was the fastest is on standard error. Compilation is of DEFAULT, derivatives
included. The outputs are those of the program that `works_to_nab.py` writes: the values, all of a
gradient and of a Hessian, a Jacobian without its zeros."""
import importlib.util
import json
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

SHARED = Path(__file__).resolve().parents[3] / "shared"
FUNCTIONS = "exp log sin cos tan asin acos atan atan2 sinh cosh tanh sqrt".split()
DEFAULT = {"fast_math": True}
SETTINGS = [
    DEFAULT,
    {"fast_math": True, "slp_vectorize": True},
    {"fast_math": True, "compact_mode": True},
    {"fast_math": False},
]
POINTS, BATCH = 2000, 100_000
SECONDS, MEASUREMENTS = 0.02, 40
# CPU seconds that compilation in one setting may take.
LIMIT = 120


def derive(path):
    """Inputs, outputs, and where each output stands among the references."""
    scope = {name: getattr(heyoka, name) for name in FUNCTIONS}
    given, values, task, wrt = [], [], "", []
    for line in path.read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "inputs":
            given = heyoka.make_vars(*rest.split())
            scope.update(zip(rest.split(), given))
        elif word in ("let", "out"):
            name, _, formula = rest.partition("=")
            scope[name.strip()] = eval(formula.strip(), scope)
            if word == "out":
                values.append(heyoka.expression(scope[name.strip()]))
        elif word == "task":
            task = rest.strip()
        elif word == "wrt":
            wrt = [scope[name] for name in rest.split()]
    found = list(enumerate(values))
    if task != "value":
        tensors = heyoka.diff_tensors(values, wrt, diff_order=2 if task == "hess" else 1)
        first = tensors.jacobian.ravel() if task == "jac" else tensors.gradient
        nonzero = lambda e: task != "jac" or e != heyoka.expression(0.0)
        found += [(len(values) + k, e) for k, e in enumerate(first) if nonzero(e)]
    if task == "hess":
        # The references have the lower triangle, row by row.
        place = lambda i, j: 1 + len(wrt) + i * (i + 1) // 2 + j
        second = tensors.hessian(0)
        pairs = [(i, j) for i in range(len(wrt)) for j in range(len(wrt))]
        found += [(place(max(i, j), min(i, j)), second[i, j]) for i, j in pairs]
    return given, [e for _, e in found], [k for k, _ in found]


def compiled(given, outputs, **setting):
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    function = heyoka.cfunc(outputs, given, **setting)
    signal.setitimer(signal.ITIMER_PROF, 0)
    return function


def right(function, points, where):
    """Whether values agree with the references at two points, in turn to fill vectors."""
    points = 4 * points[:2]
    x = np.array([p["x"] for p in points], dtype=float).T.copy()
    for got, p in zip(function(x).T, points):
        reference = np.array(p["ref"], dtype=float)
        error = abs(got - reference[where]).max() / abs(reference).max()
        if not error < 1e-9 or np.delete(reference, where).any():
            return False
    return True


def nanoseconds(function, points, n):
    """Least CPU time a point."""
    x = np.array([points[k % min(4, len(points))]["x"] for k in range(n)], dtype=float)
    x = np.ascontiguousarray((x * (1 + 1e-6 * (np.arange(n) % 997))[:, None]).T)
    out = np.zeros((len(function.fn), n))
    least, together, measured = float("inf"), 1, 0
    while measured < MEASUREMENTS:
        start = time.process_time()
        for _ in range(together):
            function(x, outputs=out, batch_parallel=False)
        seconds = time.process_time() - start
        if seconds < SECONDS:
            together *= 2
        else:
            measured += 1
            least = min(least, seconds / together)
    return 1e9 * least / n


def work(path, send):
    global heyoka, np
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import heyoka
    import numpy as np

    reference = json.loads(path.with_suffix(".json").read_text())
    points = [p for p in reference["points"] if p["class"] == "regular"]
    start = time.process_time()
    given, outputs, where = derive(path)
    compiled(given, outputs, **DEFAULT)
    result = {"scalar": float("inf"), "batch": float("inf"), "compile": time.process_time() - start}
    sizes = {"scalar": (1, POINTS), "batch": (heyoka.recommended_simd_size(), BATCH)}
    fastest = {}
    for setting in SETTINGS:
        for kind, (together, n) in sizes.items():
            function = compiled(given, outputs, batch_size=together, **setting)
            if not right(function, points, where):
                print(f"{path.stem}: wrong values by {setting}", file=sys.stderr)
                continue
            ns = nanoseconds(function, points, n)
            if ns < result[kind]:
                result[kind], fastest[kind] = ns, setting
        if len(fastest) == len(sizes):
            send.send(result)
    print(f"{path.stem}: {fastest}", file=sys.stderr)


def main():
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    # This script has the name of the package.
    sys.path.pop(0)
    if importlib.util.find_spec("heyoka") is None:
        sys.exit("no heyoka: pip install heyoka numpy")
    results = {}
    paths = sorted((SHARED / "data/expr").glob("*.txt"))
    for path in (path for path in paths if part in path.stem):
        receive, send = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=work, args=(path, send))
        process.start()
        send.close()
        try:
            while True:
                results[path.stem] = receive.recv()
        except EOFError:
            process.join()
        if process.exitcode:
            slow = process.exitcode == -signal.SIGPROF
            why = f"a setting does not compile within {LIMIT} s" if slow else "failed"
            print(f"{path.stem}: {why}", file=sys.stderr)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
