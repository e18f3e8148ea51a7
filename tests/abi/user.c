/* Goes through the calling convention of demo.c as acados does: sizes from demo_work, sparsities
 * of indices up to sz_arg, null for inputs that are zero and results that are not wanted. */
#include <stdio.h>
#include <string.h>

#include "demo.h"

static int failures = 0;

static void expect(int condition, const char* what) {
  if (!condition) {
    fprintf(stderr, "failed: %s\n", what);
    failures++;
  }
}

static int nnz(const casadi_int* sparsity) {
  if (!sparsity) return 0;
  if (sparsity[2] != 0) return (int)(sparsity[0] * sparsity[1]);
  return (int)sparsity[2 + sparsity[1]];
}

int main(void) {
  const double x[2] = {3.0, -4.0};
  const double p[1] = {0.5};
  const double L[5] = {1.0, 2.0, 3.0, 4.0, 5.0};
  double y[2] = {0.0, 0.0};
  double S[3] = {0.0, 0.0, 0.0};
  double t[1] = {0.0};
  double w[demo_SZ_W + 1];
  const double* arg[demo_SZ_ARG];
  double* res[demo_SZ_RES];
  casadi_int sz_arg, sz_res, sz_iw, sz_w;

  expect(demo_work(&sz_arg, &sz_res, &sz_iw, &sz_w) == 0, "work");
  expect(demo_work(0, 0, 0, 0) == 0, "work of nulls");
  expect(sz_arg == 4 && sz_res == 4 && sz_iw == 0 && sz_w == demo_SZ_W, "sizes");
  expect(demo_n_in() == 4 && demo_n_out() == 4, "numbers of ports");
  expect(!demo_sparsity_in(4) && !demo_sparsity_in(-1) && !demo_name_out(9), "out of range");
  expect(nnz(demo_sparsity_in(0)) == 2 && nnz(demo_sparsity_in(2)) == 5, "inputs");
  expect(nnz(demo_sparsity_in(3)) == 0 && nnz(demo_sparsity_out(1)) == 3, "nonzeros");
  expect(nnz(demo_sparsity_out(3)) == 0, "no nonzeros");
  expect(strcmp(demo_name_in(2), "L") == 0, "names");
  expect(demo_default_in(1) == 2.5 && demo_default_in(0) == 0.0, "defaults");
  expect(demo_default_x[0] == 1.0 && demo_default_x[1] == -0.1, "default of a vector");

  w[demo_SZ_W] = 77.0;
  arg[0] = x;
  arg[1] = p;
  arg[2] = L;
  arg[3] = 0;
  res[0] = y;
  res[1] = S;
  res[2] = t;
  res[3] = 0;
  expect(demo(arg, res, 0, w, demo_checkout()) == 0, "status");
  expect(y[0] == 1.5 && y[1] == 16.0, "y");
  expect(S[0] == 3.0 && S[1] == -4.0 && S[2] == 0.5, "S");
  expect(t[0] == 15.0, "t");

  arg[1] = 0;
  arg[2] = 0;
  res[1] = 0;
  S[0] = 7.0;
  expect(demo(arg, res, 0, w, 0) == 0, "status with nulls");
  expect(y[0] == 0.0 && y[1] == 16.0 && t[0] == 0.0, "null is zero");
  expect(S[0] == 7.0, "not wanted is not written");
  expect(w[demo_SZ_W] == 77.0, "work memory has the length that is asked for");
  demo_release(0);
  return failures;
}
