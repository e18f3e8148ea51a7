/* the sum over j >= 0 of x^(m + 1) / (x + j)^(m + 1) for large x */
static double nablac_rest(double m, double x) {
  static const double bernoulli[12] = {
    0.08333333333333333, -0.001388888888888889, 0.00003306878306878307,
    -8.267195767195768e-7, 2.08767569878681e-8, -5.284190138687493e-10,
    1.3382536530684679e-11, -3.3896802963225827e-13, 8.586062056277845e-15,
    -2.174868698558062e-16, 5.5090028283602295e-18, -1.3954464685812522e-19};
  double rising = 1.0, series = x / m + 0.5, k = 0.0;
  int i;
  for (i = 0; i < 12; ++i) {
    rising *= (m + 2.0 * k + 1.0) / x;
    series += bernoulli[i] * rising;
    rising *= (m + 2.0 * k + 2.0) / x;
    k += 1.0;
  }
  return series;
}

/* m! * zeta(m + 1, x), the Hurwitz zeta function, for integer m > 0 and x > 0 */
static double nablac_zeta(double m, double x) {
  double scale = 1.0 / x, factor, sum = 0.0, shifted = x;
  if (1.0 / x == 0.0) return 0.0;
  for (factor = 1.0; factor <= m; factor += 1.0) scale *= factor / x;
  for (; shifted < m + 10.0; shifted += 1.0) sum += pow(x / shifted, m + 1.0);
  return scale * (sum + pow(x / shifted, m + 1.0) * nablac_rest(m, shifted));
}

/* pi / tan(pi x) for x < 0 */
static double nablac_pi_cotangent(double x) {
  const double pi = 3.141592653589793, above_floor = x - floor(x), middle = x - (floor(x) + 0.5);
  if (fabs(middle) <= 0.25) return -pi * tan(pi * middle);
  return middle < 0.0 ? pi / tan(pi * above_floor) : -pi / tan(pi * (ceil(x) - x));
}

/* adds a term to a sum and what its roundings lost */
static void nablac_add(double *high, double *low, double term) {
  volatile double sum = *high + term, of_term = sum - *high, of_high = sum - of_term;
  *low += (*high - of_high) + (term - of_term);
  *high = sum;
}

/* a number in two parts times another one */
static void nablac_times(double *high, double *low, double other_high, double other_low) {
  volatile double product = *high * other_high, lost, sum;
  lost = fma(*high, other_high, -product) + (*high * other_low + *low * other_high);
  sum = product + lost;
  *low = lost - (sum - product);
  *high = sum;
}

/* 1 / (2 (number + high + low))^n in two parts */
static double nablac_term(int n, double number, double high, double low, double *power_low) {
  double part = number, lost = 0.0, power = 1.0, square, square_low;
  volatile double inverse, missing, sum;
  nablac_add(&part, &lost, high);
  inverse = 1.0 / (2.0 * part);
  missing = inverse * (fma(-inverse, 2.0 * part, 1.0) - inverse * (2.0 * (lost + low)));
  sum = inverse + missing;
  square = sum;
  square_low = missing - (sum - inverse);
  *power_low = 0.0;
  for (; n > 0; n /= 2) {
    if (n % 2 == 1) nablac_times(&power, power_low, square, square_low);
    nablac_times(&square, &square_low, square, square_low);
  }
  return power;
}

/* the sum over j >= 0 of 1 / (2 x + 2 j)^(m + 1) */
static double nablac_far_terms(double m, double x) {
  double sum = 0.0, shifted = x;
  for (; shifted < m + 10.0; shifted += 1.0) sum += pow(0.5 / shifted, m + 1.0);
  return sum + pow(0.5 / shifted, m + 1.0) * nablac_rest(m, shifted);
}

/* a number times 2^(m + 1) m! */
static double nablac_times_factorial(double m, double sum) {
  double value = 2.0 * sum, factor;
  for (factor = 1.0; factor <= m; factor += 1.0) value *= 2.0 * factor;
  return value;
}

/* m! times the sum over all j of 1 / (x + j)^(m + 1), for even m from 4 on and x < 0 about halfway
   between poles: in pairs on both sides of 0, the largest in two parts, and what is left over */
static double nablac_between_poles(double m, double x) {
  double high = 0.0, low = 0.0, middle = x, middle_low = 0.0, number;
  double above, above_low, below, below_low;
  const int n = (int)m + 1;
  nablac_add(&middle, &middle_low, -(floor(x) + 0.5));
  if (middle == 0.0) return nablac_zeta(m, 1.0 - x);
  for (number = 0.5; number < 4.0; number += 1.0) {
    above = nablac_term(n, number, middle, middle_low, &above_low);
    below = nablac_term(n, number, -middle, -middle_low, &below_low);
    nablac_add(&high, &low, above);
    nablac_add(&high, &low, -below);
    nablac_add(&high, &low, above_low - below_low);
  }
  nablac_add(&high, &low,
    nablac_far_terms(m, number + middle) - nablac_far_terms(m, number - middle));
  if (1.0 - x >= 4.0) {
    above = nablac_times_factorial(m, high + low);
    return 1.0 / above == 0.0 ? above : above + nablac_zeta(m, 1.0 - x);
  }
  for (number = 1.0; number - x < 4.0; number += 1.0) {
    above = nablac_term(n, number, -x, 0.0, &above_low);
    nablac_add(&high, &low, above);
    nablac_add(&high, &low, above_low);
  }
  nablac_add(&high, &low, nablac_far_terms(m, number - x));
  return nablac_times_factorial(m, high + low);
}

static double nablac_digamma(double x) {
  static const double bernoulli[8] = {
    0.08333333333333333, -0.008333333333333333, 0.003968253968253968,
    -0.004166666666666667, 0.007575757575757576, -0.021092796092796094,
    0.08333333333333333, -0.4432598039215686};
  /* at the positive zero of digamma, from the linear term on */
  static const double taylor[22] = {
    0.9676722454476212, -0.44276316898359214, 0.258499760955651, -0.16394270544240652,
    0.10782405069126237, -0.07219956125645471, 0.04880428816414311, -0.03316112647484736,
    0.022597648232218105, -0.01542476590494896, 0.010538791616612175, -0.007204534386356868,
    0.004926781395729853, -0.003369801655439328, 0.002305126326734928, -0.0015769367714301972,
    0.0010788252019162967, -0.0007380709389960052, 0.000504953265834602,
    -0.0003454680251063077, 0.00023635601564027053, -0.00016170622091974803};
  double high = 0.0, low = 0.0, series = 0.0, distance;
  int i;
  if (x < 0.0) {
    nablac_add(&high, &low, -nablac_pi_cotangent(x));
    x = 1.0 - x;
  }
  if (1.0 / x == 0.0) return x;
  if (fabs(x - 1.4616321449683622) < 0.25) {
    distance = (x - 1.4616321449683622) - 9.549995429965697e-17;
    for (i = 21; i >= 0; --i) series = series * distance + taylor[i];
    nablac_add(&high, &low, distance * series);
    return high + low;
  }
  for (; x < 10.0; x += 1.0) nablac_add(&high, &low, -1.0 / x);
  for (i = 7; i >= 0; --i) series = (series + bernoulli[i]) * (1.0 / (x * x));
  nablac_add(&high, &low, log(x));
  nablac_add(&high, &low, -0.5 / x);
  nablac_add(&high, &low, -series);
  return high + low;
}

/* polygamma function of integer order m, 0 <= m <= 500 */
static double nablac_polygamma(double m, double x) {
  const int odd = fmod(m, 2.0) != 0.0;
  double magnitude, below, cotangent;
  if (!(m >= 0.0 && m <= 500.0) || floor(m) != m || x != x || x < -1.7976931348623157e+308)
    return NAN;
  if (x <= 0.0 && floor(x) == x) return odd ? HUGE_VAL : x == 0.0 ? -1.0 / x : NAN;
  if (m == 0.0) return nablac_digamma(x);
  if (x > 0.0) {
    magnitude = nablac_zeta(m, x);
  } else if (m == 2.0 && fabs(x - floor(x) - 0.5) <= 0.25) {
    cotangent = nablac_pi_cotangent(x);
    magnitude = nablac_zeta(m, 1.0 - x)
      + 2.0 * cotangent * (9.869604401089358 + cotangent * cotangent);
  } else if (!odd && fabs(x - floor(x) - 0.5) <= 0.25) {
    magnitude = nablac_between_poles(m, x);
  } else {
    magnitude = nablac_zeta(m, x - floor(x));
    below = nablac_zeta(m, ceil(x) - x) - nablac_zeta(m, 1.0 - x);
    magnitude = odd ? magnitude + below : magnitude - below;
  }
  return odd ? magnitude : -magnitude;
}
