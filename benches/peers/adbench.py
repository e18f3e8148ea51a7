"""Works of ADBench by jax.jit on the CPU in 64 bits, for benches/adbench.rs: values, compilation and
evaluation (CPU time of all threads) of the GMM gradient and of the nonzeros of the BA Jacobian.

    python3 adbench.py gmm|ba DATA.json

The data is that of `cargo run --example adbench`."""
import json
import os
import sys
import time

os.environ.setdefault("JAX_PLATFORMS", "cpu")
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln, logsumexp

jax.config.update("jax_enable_x64", True)


def gmm(data):
    d, k, n = data["D"], data["K"], data["N"]
    alpha, mu, icf, x = (np.array(data[name]) for name in ("alpha", "mu", "icf", "x"))
    mu, icf, x = mu.T.copy(), icf.T.copy(), x.T.copy()
    gamma, m = data["gamma"], data["m"]
    col, row = np.triu_indices(d, 1)

    def f(alpha, mu, icf):
        s = icf[:, :d].sum(1)
        Q = jnp.zeros((k, d, d)).at[:, row, col].set(icf[:, d:])
        Q = Q.at[:, np.arange(d), np.arange(d)].set(jnp.exp(icf[:, :d]))
        whitened = jnp.einsum("kij,nkj->nki", Q, x[:, None, :] - mu)
        density = logsumexp(alpha + s - 0.5 * (whitened**2).sum(-1), axis=1).sum()
        likelihood = density - n * (d / 2 * jnp.log(2 * jnp.pi) + logsumexp(alpha))
        nu = d + m + 1
        log_gamma = d * (d - 1) / 4 * jnp.log(jnp.pi) + gammaln((nu - jnp.arange(d)) / 2).sum()
        c = nu * d * (jnp.log(gamma) - jnp.log(2.0) / 2) - log_gamma
        prior = k * c - gamma**2 / 2 * (Q**2).sum() + m * s.sum()
        return likelihood - prior

    return jax.value_and_grad(f, argnums=(0, 1, 2)), (alpha, mu, icf)


def ba(data):
    C, X, seen, w = (np.array(data[name]) for name in ("C", "X", "seen", "w"))
    C, X, seen = C.T.copy(), X.T.copy(), seen.T.copy()
    camera, point = np.array(data["camera"]), np.array(data["point"])

    def turned(r, z):
        square = r @ r
        is_zero = square == 0
        angle = jnp.sqrt(jnp.where(is_zero, 1.0, square))
        axis = r / angle
        turned = z * jnp.cos(angle) + jnp.cross(axis, z) * jnp.sin(angle)
        turned += axis * ((axis @ z) * (1 - jnp.cos(angle)))
        return jnp.where(is_zero, z + jnp.cross(r, z), turned)

    def residual(c, x, w, seen):
        y = turned(c[:3], x - c[3:6])
        u = y[:2] / y[2]
        rho = u @ u
        return w * (c[6] * (1 + c[9] * rho + c[10] * rho**2) * u + c[7:9] - seen)

    def one(c, x, w, seen):
        r = residual(c, x, w, seen)
        return r, jax.jacrev(residual, argnums=(0, 1, 2))(c, x, w, seen), 1 - w**2, -2 * w

    def f(C, X, w):
        return jax.vmap(one)(C[camera], X[point], w, seen)

    return f, (C, X, w)


with open(sys.argv[2]) as file:
    function, inputs = {"gmm": gmm, "ba": ba}[sys.argv[1]](json.load(file))
inputs = [jnp.array(value) for value in inputs]
jax.block_until_ready(jnp.zeros(3) + 1)  # starts the runtime
start = time.process_time()
compiled = jax.jit(function).lower(*inputs).compile()
compile_s = time.process_time() - start
evaluate_s = float("inf")
for _ in range(20):
    start = time.process_time()
    out = jax.block_until_ready(compiled(*inputs))
    evaluate_s = min(evaluate_s, time.process_time() - start)
derivatives = (out[1], out[3]) if sys.argv[1] == "ba" else out[1]
squares = sum((np.asarray(v) ** 2).sum() for v in jax.tree_util.tree_leaves(derivatives))
print(json.dumps({
    "version": jax.__version__, "compile_s": compile_s, "evaluate_s": evaluate_s,
    "norm": float(np.sqrt(squares)),
}))
