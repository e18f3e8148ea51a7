//! Kernels of functions under fast arithmetic.

use std::sync::Arc;

use expect_test::expect;
use nablac::kernel::{build, count, print, verify};
use nablac::model::Model;
use nablac::simplify::SimplifyOptions;
use nablac::simplify::rules::Math;

use crate::evaluate;

const PROGRAM: &str = "\
input a, b, c, x[200]
output p = a * b - sin(c), q = c - a * b * b, u = [a / c, b / c + a]
output s = sum(x[i] * x[i+1] - b for i in 0..99)
output v = x .* x - c
output w = fold s = x[0..2] for k in 0..50 { [s[1], 0.9 * s[0] - c * s[1]] }
";

fn kernel(math: Math) -> Arc<nablac::kernel::ir::Kernel> {
    let f = Model::parse("f.nab", PROGRAM).function().unwrap();
    let simplify = SimplifyOptions { math, ..SimplifyOptions::default() };
    Arc::new(build(&f.optimized(&simplify)))
}

#[test]
fn text_of_a_contracted_kernel() {
    expect![[r#"
        kernel f(a[1], b[1], c[1], x[200]) -> (p[1], q[1], u[2], s[1], v[200], w[2]) work 9 {
          v0 = a[0]
          v1 = b[0]
          v2 = c[0]
          v3 = mul(v1, v0)
          wanted p {
            v4 = fast_sin(v2)
            v5 = sub(v3, v4)
            p[0] = v5
          }
          wanted q {
            v6 = neg(v3)
            v7 = fma(v6, v1, v2)
            q[0] = v7
          }
          wanted u {
            v8 = 1.0
            v9 = div(v8, v2)
            v10 = mul(v9, v0)
            v11 = fma(v9, v1, v0)
            u[0] = v10
            u[1] = v11
          }
          wanted s {
            loop i0 < 1 {
              loop i1 < 8 {
                v12 = -0.0
                w[0 + 1*i1] = v12
              }
              loop i2 < min(512, 13 - (0 + 512*i0)) {
                loop i3 < min(8, 99 - (0 + 4096*i0 + 8*i2)) {
                  v13 = x[0 + 4096*i0 + 8*i2 + 1*i3]
                  v14 = x[1 + 4096*i0 + 8*i2 + 1*i3]
                  v15 = neg(v1)
                  v16 = fma(v14, v13, v15)
                  w[0 + 1*i3] += v16
                }
              }
              v17 = w[0]
              v18 = w[1]
              v19 = w[2]
              v20 = w[3]
              v21 = w[4]
              v22 = w[5]
              v23 = w[6]
              v24 = w[7]
              v25 = add(v17, v18)
              v26 = add(v19, v20)
              v27 = add(v21, v22)
              v28 = add(v23, v24)
              v29 = add(v25, v26)
              v30 = add(v27, v28)
              v31 = add(v29, v30)
              w[8 + 1*i0] = v31
            }
            v32 = w[8]
            s[0] = v32
          }
          wanted v {
            v33 = neg(v2)
            loop i4 < 200 {
              v34 = x[0 + 1*i4]
              v35 = x[0 + 1*i4]
              v36 = fma(v34, v35, v33)
              v[0 + 1*i4] = v36
            }
          }
          wanted w {
            v37 = x[0]
            v38 = x[1]
            loop i5 < 50 carry v39 = v37 then v40, v40 = v38 then v44 {
              v41 = mul(v2, v40)
              v42 = neg(v41)
              v43 = 0.9
              v44 = fma(v43, v39, v42)
            }
            w[0] = v39
            w[1] = v40
          }
        }
    "#]]
    .assert_eq(&print::text(&kernel(Math::Fast)));
}

#[test]
fn contracted_kernels_are_well_formed_and_engines_agree() {
    let [real, fast] = [Math::Real, Math::Fast].map(kernel);
    assert_eq!(verify::verify(&fast), Ok(()));
    let x: Vec<f64> = (0..200).map(|k| (0.7 * f64::from(k)).sin()).collect();
    let args: [&[f64]; 4] = [&[0.3], &[1.7], &[-0.6], &x];
    let [want, got] = [&real, &fast].map(|kernel| evaluate(kernel, &args).unwrap());
    for (want, got) in want.iter().flatten().zip(got.iter().flatten()) {
        assert!((want - got).abs() <= 1e-13 * want.abs().max(1.0), "{want} and {got}");
    }
    // A fused operation counts as the two that it is.
    let (real, fast) = (count::count(&real), count::count(&fast));
    assert_eq!((real.add, real.call), (fast.add, fast.call));
    // One quotient of two becomes a reciprocal.
    assert_eq!((real.mul + 2, real.div - 1), (fast.mul, fast.div));
}
