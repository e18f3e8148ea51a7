"""The stage functions of benches/control.rs in CasADi: Jacobian and Hessian, as C by gcc -O3."""
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHARED = Path(__file__).resolve().parents[3] / "shared"
sys.path.insert(0, str(SHARED / "peers/casadi"))
import casadi as ca
import numpy as np
import ocp_model as model

N = int(sys.argv[1])
x, u, lam = ca.SX.sym("x", 13), ca.SX.sym("u", 4), ca.SX.sym("lam", 13)
z, step = ca.vertcat(x, u), model.rk4(x, u)
lagrangian = model.stage_cost(x, u) + ca.dot(lam, step)
stages = {
    "jac_g": ca.Function("jac_g", [x, u], [ca.jacobian(step, z)]),
    "hess_l": ca.Function("hess_l", [x, u, lam], [ca.hessian(lagrangian, z)[0]]),
}
ARITHMETIC = {ca.OP_ADD, ca.OP_SUB, ca.OP_MUL, ca.OP_DIV, ca.OP_SQ, ca.OP_TWICE, ca.OP_INV, ca.OP_SQRT}


def operations(function):
    kinds = (function.instruction_id(k) for k in range(function.n_instructions()))
    return sum(kind in ARITHMETIC for kind in kinds)


def seconds(name, function):
    mapped = function.map(N, "serial")
    with tempfile.TemporaryDirectory() as folder:
        generator = ca.CodeGenerator("stage.c")
        generator.add(mapped)
        generator.generate(folder + "/")
        subprocess.run(["gcc", "-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC",
                        "stage.c", "-o", "stage.so"], cwd=folder, check=True)
        compiled = ca.external(mapped.name(), folder + "/stage.so")
        w = 0.5 + 0.3 * np.sin(np.arange(17 * N + 13))
        z = w[: 17 * N].reshape((17, N), order="F")
        given = [z[:13], z[13:], np.cos(0.7 * np.arange(13, 13 * (N + 1))).reshape((13, N), order="F")]
        buffer, trigger = compiled.buffer()
        values = [np.ascontiguousarray(v.ravel(order="F")) for v in given[: compiled.n_in()]]
        result = np.zeros(compiled.nnz_out(0))
        for k, v in enumerate(values):
            buffer.set_arg(k, memoryview(v))
        buffer.set_res(0, memoryview(result))
        least, start = float("inf"), time.process_time()
        while least == float("inf") or time.process_time() - start < 1.0:
            begin = time.process_time()
            trigger()
            least = min(least, time.process_time() - begin)
    return least / N


print(json.dumps({
    name: {"seconds": seconds(name, f), "operations": operations(f)} for name, f in stages.items()
}))
