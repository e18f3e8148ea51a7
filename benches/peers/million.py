"""The graphs of benches/million.rs in CasADi SX: the same figures per node."""
import resource
import time

import casadi as ca

N, N_INPUTS = 1_000_000, 100
state = 1


def below(n):
    global state
    state = (state * 1103515245 + 12345) % (1 << 31)
    return (state * n) >> 31


def chain(x):
    y = x[0]
    for k in range(N // 2):
        y = ca.sin(y) + x[k % N_INPUTS]
    return y


def random(x):
    nodes = list(x)
    for _ in range(N // 2):
        recent = min(len(nodes), 1000)
        a, b = (nodes[len(nodes) - 1 - below(recent)] for _ in range(2))
        op = below(20)
        nodes.append(ca.cos(a - b) if op == 0 else a * a * b if op <= 3 else 0.5 * (a - b))
    return ca.sin(nodes[-1])


for name, make in ("chain", chain), ("random", random):
    v = ca.SX.sym("x", N_INPUTS)
    elements = [v[k] for k in range(N_INPUTS)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    y = make(elements)
    build = (time.process_time() - start) / N * 1e9
    size = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / N
    start = time.process_time()
    g = ca.gradient(y, v)
    reverse = (time.process_time() - start) / N * 1e9
    start = time.process_time()
    f = ca.Function("f", [v], [y, g])
    compile_ = (time.process_time() - start) / N * 1e9
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        out = f([0.5] * N_INPUTS)
        best = min(best, (time.process_time() - start) / N * 1e9)
    print(f"casadi {name}: build {build:.0f} ns/node (Python), reverse {reverse:.0f} ns/node, function "
          f"{compile_:.0f} ns/node, VM value and gradient {best:.1f} ns/node, {size:.0f} bytes/node, "
          f"f {float(out[0]):.15f}, sum of gradient {float(ca.sum1(out[1])):.15f}")
