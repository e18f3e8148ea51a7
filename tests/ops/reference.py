#!/usr/bin/env python3
"""Writes reference.txt: values of the elementwise functions to 25 digits, made with mpmath."""
import random
from mpmath import mp, mpf, nstr
import mpmath as m

mp.dps = 60
random.seed(7)


def spread(lo, hi, n):
    return [random.uniform(lo, hi) for _ in range(n)]


def both(values):
    return values + [-v for v in values]


TINY = [1e-300, 1e-20, 1e-9, 1e-4]
WIDE = [0.1, 0.5, 1.0, 1.5, 3.0, 7.25, 20.0]
UNARY = {
    "sqrt": (m.sqrt, TINY + WIDE + [1e300]),
    "cbrt": (lambda x: m.sign(x) * m.cbrt(abs(x)), both(TINY + WIDE + [1e300])),
    "exp": (m.exp, both(TINY + WIDE + [700.0])),
    "expm1": (m.expm1, both(TINY + WIDE + [0.3, 700.0])),
    "log": (m.log, TINY + WIDE + [0.999, 1.001, 1e300]),
    "log1p": (m.log1p, both(TINY + [0.1, 0.5, 0.999]) + WIDE + [1e300]),
    "log2": (lambda x: m.log(x, 2), TINY + WIDE + [0.999, 1.001, 1e300]),
    "log10": (m.log10, TINY + WIDE + [0.999, 1.001, 1e300]),
    "sin": (m.sin, both(TINY + WIDE + [3.141592653589793, 1e5, 1e22])),
    "cos": (m.cos, both(TINY + WIDE + [1.5707963267948966, 1e5, 1e22])),
    "tan": (m.tan, both(TINY + WIDE + [1.5707963267948966, 1e5, 1e22])),
    "asin": (m.asin, both(TINY + [0.1, 0.5, 0.9, 0.999999])),
    "acos": (m.acos, both(TINY + [0.1, 0.5, 0.9, 0.999999])),
    "atan": (m.atan, both(TINY + WIDE + [1e20])),
    "sinh": (m.sinh, both(TINY + WIDE + [700.0])),
    "cosh": (m.cosh, both(TINY + WIDE + [700.0])),
    "tanh": (m.tanh, both(TINY + WIDE + [700.0])),
    "asinh": (m.asinh, both(TINY + WIDE + [1e20, 1e300])),
    "acosh": (m.acosh, [1.0 + 1e-9, 1.0001, 1.1, 1.5, 3.0, 20.0, 1e20, 1e300]),
    "atanh": (m.atanh, both(TINY + [0.1, 0.5, 0.9, 0.999999])),
    "erf": (m.erf, both(TINY + WIDE + [0.84, 1.25, 2.857, 5.9])),
    "erfc": (m.erfc, both(TINY + WIDE + [0.84, 1.25, 2.857]) + [26.0]),
    "sigmoid": (lambda x: 1 / (1 + m.exp(-x)), both(TINY + WIDE + [700.0])),
    "softplus": (lambda x: m.log1p(m.exp(x)), both(TINY + WIDE + [700.0])),
    "gamma": (m.gamma, both(TINY[1:] + [0.1, 0.5, 1.5, 3.25, 7.25]) + [1.0, 2.0, 20.0, 170.5]
              + spread(0.0, 30.0, 15) + spread(-20.0, 0.0, 15)),
    "lgamma": (lambda x: m.log(abs(m.gamma(x))), both(TINY + [0.1, 0.5, 1.5, 3.25, 7.25])
               + [0.9, 1.01, 1.99, 2.1, 20.0, 170.5, 1e10, 1e300] + spread(0.0, 30.0, 15)
               + spread(-20.0, 0.0, 15)),
}
BINARY = {
    "pow": (m.power, [(x, y) for x in [1e-5, 0.3, 0.999, 1.0001, 2.0, 9.5] for y in
                      [-30.0, -2.5, -0.3, 0.5, 3.0, 50.25]] + [(-2.0, 3.0), (-1.5, -4.0)]),
    "hypot": (lambda x, y: m.sqrt(x * x + y * y), [(3.0, 4.5), (-1e-3, 2.0), (1e200, 1e200),
                                                   (1e-200, 1e-200), (5.0, -1e-20)]),
    "atan2": (m.atan2, [(y, x) for y in [-3.0, -1e-10, 2e-10, 0.7, 1e10] for x in
                        [-2.0, -1e-5, 1e-5, 0.3, 8.0]]),
    "polygamma": (
        lambda k, x: m.polygamma(int(k), x),
        [(0.0, x) for x in both(TINY + [0.1, 0.3, 0.75, 3.25, 7.25, 9.99]) + [
            1.0, 1.2, 1.22, 1.4, 1.4616321449683622, 1.47, 1.7, 1.72, 2.0, 10.0, 20.0, 1e5, 1e300,
            -1.5, -20.01, -100.3]] + [(0.0, x) for x in spread(0.0, 12.0, 12) + spread(-9.0, 0.0, 12)]
        + [(k, x) for k in [1.0, 2.0, 3.0, 4.0, 7.0, 12.0, 31.0] for x in
           both([1e-4, 0.1, 0.7, 3.25, 7.4]) + [1.0, 15.0, 80.0, 1e6, -30.2] + spread(0.0, 20.0, 3)]
        + [(100.0, 0.5), (100.0, 20.0), (100.0, 150.0), (400.0, 500.0)]),
}

with open("reference.txt", "w") as out:
    out.write("# operation, arguments (exactly these doubles), value to 25 digits; see reference.py\n")
    for name, (function, points) in UNARY.items():
        for a in points:
            value = function(mpf(a))
            out.write(f"{name} {a!r} {nstr(value, 25)}\n")
    for name, (function, points) in BINARY.items():
        for a, b in points:
            value = function(mpf(a), mpf(b))
            out.write(f"{name} {a!r} {b!r} {nstr(value, 25)}\n")
