//! Kernels of functions under fast arithmetic.

use std::sync::Arc;

use expect_test::expect;
use nablac::kernel::{Form, build_with, count, print, verify};
use nablac::model::Model;
use nablac::simplify::SimplifyOptions;
use nablac::simplify::rules::Math;

use crate::evaluate;

const PROGRAM: &str = "\
input a, b, c, x[200], A[4,200], B[20,30]
output p = a * b - sin(c), q = c - a * b * b, u = [a / c, b / c + a]
output m = A * x, l = B * x[0..30]
output s = sum(x[i] * x[i+1] for i in 0..99), t = sum(-(x[i] * x[i+1]) for i in 0..99)
output v = x .* x - c
";

fn kernel(math: Math) -> Arc<nablac::kernel::ir::Kernel> {
    let f = Model::parse("f.nab", PROGRAM).function().unwrap();
    let simplify = SimplifyOptions { math, ..SimplifyOptions::default() };
    let form = Form { in_place: false, contracts: math.contracts() };
    Arc::new(build_with(&f.optimized(&simplify), form))
}

#[test]
fn text_of_a_contracted_kernel() {
    expect![[r#"
        kernel f(a[1], b[1], c[1], x[200], A[800], B[600]) -> (p[1], q[1], u[2], m[4], l[20], s[1], t[1], v[200]) work 18 {
          v0 = a[0]
          v1 = b[0]
          v2 = c[0]
          v3 = mul(v1, v0)
          wanted p {
            v4 = sin(v2)
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
          wanted m {
            v12 = 0.0
            loop i0 < 1 {
              loop i1 < 4 {
                loop i2 < 200 carry v13 = v12 then v17 {
                  v14 = A[0 + 1*i1 + 4*i2]
                  v15 = x[0 + 1*i2 + 200*i0]
                  v17 = fma(v14, v15, v13)
                }
                m[0 + 1*i1 + 4*i0] = v13
              }
            }
          }
          wanted l {
            loop i3 < 20 {
              v18 = 0.0
              l[0 + 1*i3] = v18
            }
            loop i4 < 1 {
              loop i5 < 30 {
                v19 = x[0 + 1*i5 + 30*i4]
                loop i6 < 20 {
                  v20 = B[0 + 1*i6 + 20*i5]
                  v67 = l[0 + 1*i6 + 20*i4]
                  v68 = fma(v20, v19, v67)
                  l[0 + 1*i6 + 20*i4] = v68
                }
              }
            }
          }
          wanted s {
            loop i7 < 1 {
              loop i8 < 8 {
                v22 = -0.0
                w[0 + 1*i8] = v22
              }
              loop i9 < min(512, 13 - (0 + 512*i7)) {
                loop i10 < min(8, 99 - (0 + 4096*i7 + 8*i9)) {
                  v23 = x[0 + 4096*i7 + 8*i9 + 1*i10]
                  v24 = x[1 + 4096*i7 + 8*i9 + 1*i10]
                  v69 = w[0 + 1*i10]
                  v70 = fma(v24, v23, v69)
                  w[0 + 1*i10] = v70
                }
              }
              v26 = w[0]
              v27 = w[1]
              v28 = w[2]
              v29 = w[3]
              v30 = w[4]
              v31 = w[5]
              v32 = w[6]
              v33 = w[7]
              v34 = add(v26, v27)
              v35 = add(v28, v29)
              v36 = add(v30, v31)
              v37 = add(v32, v33)
              v38 = add(v34, v35)
              v39 = add(v36, v37)
              v40 = add(v38, v39)
              w[8 + 1*i7] = v40
            }
            v41 = w[8]
            s[0] = v41
          }
          wanted t {
            loop i11 < 1 {
              loop i12 < 8 {
                v42 = -0.0
                w[9 + 1*i12] = v42
              }
              loop i13 < min(512, 13 - (0 + 512*i11)) {
                loop i14 < min(8, 99 - (0 + 4096*i11 + 8*i13)) {
                  v43 = x[0 + 4096*i11 + 8*i13 + 1*i14]
                  v44 = x[1 + 4096*i11 + 8*i13 + 1*i14]
                  v45 = neg(v44)
                  v71 = w[9 + 1*i14]
                  v72 = fma(v45, v43, v71)
                  w[9 + 1*i14] = v72
                }
              }
              v47 = w[9]
              v48 = w[10]
              v49 = w[11]
              v50 = w[12]
              v51 = w[13]
              v52 = w[14]
              v53 = w[15]
              v54 = w[16]
              v55 = add(v47, v48)
              v56 = add(v49, v50)
              v57 = add(v51, v52)
              v58 = add(v53, v54)
              v59 = add(v55, v56)
              v60 = add(v57, v58)
              v61 = add(v59, v60)
              w[17 + 1*i11] = v61
            }
            v62 = w[17]
            t[0] = v62
          }
          wanted v {
            v63 = neg(v2)
            loop i15 < 200 {
              v64 = x[0 + 1*i15]
              v65 = x[0 + 1*i15]
              v66 = fma(v64, v65, v63)
              v[0 + 1*i15] = v66
            }
          }
        }
    "#]].assert_eq(&print::text(&kernel(Math::Fast)));
}

#[test]
fn contracted_kernels_are_well_formed_and_engines_agree() {
    let [real, fast] = [Math::Real, Math::Fast].map(kernel);
    assert_eq!(verify::verify(&fast), Ok(()));
    let x: Vec<f64> = (0..800).map(|k| (0.7 * f64::from(k)).sin()).collect();
    let args: [&[f64]; 6] = [&[0.3], &[1.7], &[-0.6], &x[..200], &x, &x[..600]];
    let [want, got] = [&real, &fast].map(|kernel| evaluate(kernel, &args).unwrap());
    for (want, got) in want.iter().flatten().zip(got.iter().flatten()) {
        assert!((want - got).abs() <= 1e-13, "{want} and {got}");
    }
    // A fused operation counts as the two that it is.
    let (real, fast) = (count::count(&real), count::count(&fast));
    assert_eq!((real.add, real.call), (fast.add, fast.call));
    // One quotient of two becomes a reciprocal.
    assert_eq!((real.mul + 2, real.div - 1), (fast.mul, fast.div));
}
