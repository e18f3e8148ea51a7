"""Loads the library given as argument with casadi.external and compares what it finds with what
tests/abi/casadi.rs put in."""

import sys

import casadi as ca

library = sys.argv[1]


def equal(a, b):
    a, b = ca.DM(a), ca.DM(b)
    assert a.shape == b.shape and a.sparsity() == b.sparsity(), (a, b)
    assert a.nonzeros() == b.nonzeros(), (a, b)


demo = ca.external("demo", library)
assert demo.name_in() == ["x", "p", "L", "empty"], demo
assert demo.name_out() == ["y", "S", "t", "none"], demo
lower = ca.Sparsity(3, 3, [0, 2, 4, 5], [0, 1, 1, 2, 2])
assert demo.sparsity_in(0) == ca.Sparsity.dense(2, 1)
assert demo.sparsity_in(2) == lower
assert demo.sparsity_in(3) == ca.Sparsity.dense(0, 3)
assert demo.sparsity_out(1) == ca.Sparsity.diag(3)
assert demo.sparsity_out(3) == ca.Sparsity(2, 2)
assert demo.default_in(1) == 2.5 and demo.default_in(0) == 0

L = ca.DM(lower, [1, 2, 3, 4, 5])
y, S, t, none = demo([3, -4], 0.5, L, ca.DM(0, 3))
equal(y, [1.5, 16])
equal(S, ca.diag(ca.DM([3, -4, 0.5])))
equal(t, 15)
equal(none, ca.DM(2, 2))
equal(demo(x=[3, -4], L=L)["y"], [7.5, 16])
# CasADi passes null for what is not asked for
L_sym = ca.MX.sym("L", lower)
only_t = ca.Function("only_t", [L_sym], [demo(ca.MX(2, 1), 0, L_sym, ca.MX(0, 3))[2]])
equal(only_t(L), 15)

g = ca.external("g", library)
jac = g.jacobian()
jac_x, jac_p = jac([3, -4], 0.5, 0)
assert jac_x.sparsity() == ca.Sparsity.diag(2) and jac_x.nonzeros() == [0.5, -8], jac_x
assert jac_p.sparsity() == ca.Sparsity(2, 1, [0, 1], [0]) and jac_p.nonzeros() == [3], jac_p

h = ca.external("h", library)
v = ca.MX.sym("v", 2)
gradient = ca.Function("gradient", [v], [ca.gradient(h(v), v)])
equal(gradient([3, -4]), [-4, 3])
tangent = ca.Function("tangent", [v], [ca.jtimes(h(v), v, ca.DM([1, 2]))])
equal(tangent([3, -4]), 2)
