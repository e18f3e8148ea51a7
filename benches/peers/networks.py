"""The works of benches/networks.rs in CasADi; one JSON object a line."""
import json
import sys
import time
from pathlib import Path

SHARED = Path(__file__).resolve().parents[3] / "shared"
sys.path.insert(0, str(SHARED / "peers/casadi"))
import casadi as ca
import numpy as np
import acopf_pglib as pglib


def best(function, values, seconds=1.0):
    """Least CPU seconds of one evaluation."""
    buffer, trigger = function.buffer()
    arguments = [np.ascontiguousarray(v, dtype=float) for v in values]
    results = [np.zeros(function.nnz_out(k)) for k in range(function.n_out())]
    for k, v in enumerate(arguments):
        buffer.set_arg(k, memoryview(v))
    for k, v in enumerate(results):
        buffer.set_res(k, memoryview(v))
    least, start = float("inf"), time.process_time()
    while least == float("inf") or time.process_time() - start < seconds:
        begin = time.process_time()
        trigger()
        least = min(least, time.process_time() - begin)
    return least


def acopf(name):
    data = pglib.opf_data(pglib.parse_matpower(SHARED / f"data/pglib/{name}.m"))
    start = time.process_time()
    x, f, g = pglib.build_sx(ca, data)
    lam_f, lam_g = ca.SX.sym("lam_f"), ca.SX.sym("lam_g", g.numel())
    jac = ca.Function("jac_g", [x], [ca.jacobian(g, x)])
    lagrangian = lam_f * f + ca.dot(lam_g, g)
    hess = ca.Function("hess_l", [x, lam_f, lam_g], [ca.triu(ca.hessian(lagrangian, x)[0])])
    derive = time.process_time() - start
    at = pglib.bounds(data)[0] + 0.01
    multipliers = np.ones(g.numel())
    return {"derive": derive, "jac": best(jac, [at]), "hess": best(hess, [at, [1.0], multipliers])}


def rosenbrock(n):
    start = time.process_time()
    x = ca.MX.sym("x", n)
    f = 100 * ca.sumsqr(x[1:] - x[:-1] ** 2) + ca.sumsqr(1 - x[:-1])
    grad = ca.Function("grad_f", [x], [ca.gradient(f, x)])
    hess = ca.Function("hess_f", [x], [ca.hessian(f, x)[0]])
    derive = time.process_time() - start
    at = 1 + 0.1 * np.sin(np.arange(n))
    return {"derive": derive, "grad": best(grad, [at]), "hess": best(hess, [at])}


def luksan(n):
    start = time.process_time()
    x = ca.SX.sym("x", n)
    a, b, c = x[:-2], x[1:-1], x[2:]
    f = ca.sum1(100 * (x[:-1] ** 2 - x[1:]) ** 2 + (x[:-1] - 1) ** 2)
    g = 3 * b**3 + 2 * c - 5 + ca.sin(b - c) * ca.sin(b + c) + 4 * b - a * ca.exp(a - b) - 3
    lam = ca.SX.sym("lam", n - 2)
    hess = ca.triu(ca.hessian(f + ca.dot(lam, g), x)[0])
    all_ = ca.Function("all", [x, lam], [f, ca.gradient(f, x), g, ca.jacobian(g, x), hess])
    at = np.where(np.arange(n) % 2 == 0, -1.2, 1.0)
    all_(at, np.ones(n - 2))
    return {"first": time.process_time() - start}


work, size = sys.argv[1:]
result = acopf(size) if work == "acopf" else {"rosenbrock": rosenbrock, "luksan": luksan}[work](int(size))
print(json.dumps(result))
