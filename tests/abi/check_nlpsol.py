"""The functions of nlp.nab in C against the same problem written with CasADi.

Usage: check_nlpsol.py nlp.so"""

import sys

import casadi as ca
import numpy as np

library = sys.argv[1]
x, p = ca.SX.sym("x", 8), ca.SX.sym("p", 3)
a, r = p[0], p[1:3]
X, Y = x[:2], ca.reshape(x[2:], 2, 3)
f = X[0] * X[1] * a + sum(Y[0, k] ** 2 * X[0] for k in range(3))
g = [ca.dot(X, X) - r[0], Y[:, 0] - X]
for k in (1, 2):
    d = Y[:, k] - Y[:, k - 1]
    g.append(d * d)
g += [r[1] - (Y[0, k] * Y[1, k] + a * X[1] ** 2) for k in range(3)]
g = ca.vertcat(*g)
problem = {"x": x, "p": p, "f": f, "g": g}

at = [2, 4, 1]
bounds = ca.external("nlp_bounds", library).call([ca.DM(at)])
lbx, ubx, lbg, ubg, x0 = (bound.full().ravel() for bound in bounds)
inf = np.inf
assert np.array_equal(lbx, [-1] * 8)
assert np.array_equal(ubx, [inf, inf, 1, 4, 2, 5, 3, 6])
assert np.array_equal(lbg, [-inf, 0, 0, -4, -1, -4, -1, 0, 0, 0])
assert np.array_equal(ubg, [0, 0, 0, 1, 1, 2, 2, inf, inf, inf])
assert np.array_equal(x0, [1, 2] + [0] * 6)

quiet = {"print_time": 0, "ipopt.print_level": 0, "ipopt.sb": "yes"}
solutions = []
for source in (problem, library):
    solver = ca.nlpsol("solver", "ipopt", source, quiet)
    found = solver(x0=x0, p=at, lbx=lbx, ubx=ubx, lbg=lbg, ubg=ubg)
    assert solver.stats()["return_status"] == "Solve_Succeeded"
    solutions.append(found["x"])
assert float(ca.norm_inf(solutions[0] - solutions[1])) < 1e-7

lam_f, lam_g = ca.SX.sym("lam_f"), ca.SX.sym("lam_g", 10)
gamma = lam_f * f + ca.dot(lam_g, g)
both = [x, p, lam_f, lam_g]
expected = {
    "nlp": ([x, p], [f, g]),
    "nlp_f": ([x, p], [f]),
    "nlp_g": ([x, p], [g]),
    "nlp_grad": (both, [f, g, ca.gradient(gamma, x), ca.gradient(gamma, p)]),
    "nlp_grad_f": ([x, p], [f, ca.gradient(f, x)]),
    "nlp_jac_g": ([x, p], [g, ca.jacobian(g, x)]),
    "nlp_hess_l": (both, [ca.triu(ca.hessian(gamma, x)[0])]),
}
random = np.random.default_rng(0)
for name, (inputs, outputs) in expected.items():
    theirs, ours = ca.Function(name, inputs, outputs), ca.external(name, library)
    point = [ca.DM(random.normal(size=theirs.size1_in(k))) for k in range(theirs.n_in())]
    for k, (a, b) in enumerate(zip(theirs.call(point), ours.call(point))):
        assert a.shape == b.shape, name
        assert float(ca.norm_inf(ca.vec(a - b))) < 1e-12, (name, a, b)
        assert theirs.nnz_out(k) == ours.nnz_out(k), name
