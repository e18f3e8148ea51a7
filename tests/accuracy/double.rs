//! Elementary functions on sums of two numbers, with about 100 bits: slow, and nothing but series,
//! Newton's method and identities. T. J. Dekker, "A floating-point technique for extending the
//! available precision" (1971).

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, LN_2};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// The sum of two numbers, the second one at most half of the first one's last place.
#[derive(Copy, Clone, Debug)]
pub struct Double(pub f64, pub f64);

pub const ONE: Double = Double(1.0, 0.0);
pub const LN2: Double = Double(LN_2, 2.3190468138462996e-17);
pub const PI: Double = Double(std::f64::consts::PI, 1.2246467991473532e-16);
const HALF_PI: [f64; 3] = [FRAC_PI_2, 6.123233995736766e-17, -1.4973849048591833e-33];
/// Degree of the series of sine and cosine.
const DEGREE: u32 = 30;

fn two_sum(a: f64, b: f64) -> Double {
    let sum = a + b;
    let b_part = sum - a;
    Double(sum, (a - (sum - b_part)) + (b - b_part))
}

fn two_product(a: f64, b: f64) -> Double {
    let product = a * b;
    Double(product, a.mul_add(b, -product))
}

impl Add for Double {
    type Output = Double;
    fn add(self, other: Double) -> Double {
        let (high, low) = (two_sum(self.0, other.0), two_sum(self.1, other.1));
        let high = two_sum(high.0, high.1 + low.0);
        two_sum(high.0, high.1 + low.1)
    }
}

impl Neg for Double {
    type Output = Double;
    fn neg(self) -> Double {
        Double(-self.0, -self.1)
    }
}

impl Sub for Double {
    type Output = Double;
    fn sub(self, other: Double) -> Double {
        self + -other
    }
}

impl Mul for Double {
    type Output = Double;
    fn mul(self, other: Double) -> Double {
        let high = two_product(self.0, other.0);
        two_sum(high.0, high.1 + self.0.mul_add(other.1, self.1 * other.0))
    }
}

impl Div for Double {
    type Output = Double;
    fn div(self, other: Double) -> Double {
        let first = self.0 / other.0;
        let rest = self - other * Double::from(first);
        let second = rest.0 / other.0;
        let rest = rest - other * Double::from(second);
        two_sum(first, second) + Double::from(rest.0 / other.0)
    }
}

impl From<f64> for Double {
    fn from(x: f64) -> Double {
        Double(x, 0.0)
    }
}

impl Double {
    /// Times a power of two.
    pub fn scaled(self, n: i32) -> Double {
        Double(libm::ldexp(self.0, n), libm::ldexp(self.1, n))
    }

    pub fn abs(self) -> Double {
        if self.0 < 0.0 { -self } else { self }
    }

    pub fn sqrt(self) -> Double {
        if self.0 == 0.0 {
            return self;
        }
        let root = Double::from(self.0.sqrt());
        let root = root + (self - root * root) / (root + root);
        root + (self - root * root) / (root + root)
    }

    pub fn cbrt(self) -> Double {
        let step = |root: Double| {
            let square = root * root;
            root + (self - square * root) / (square * Double::from(3.0))
        };
        step(step(Double::from(self.0.cbrt())))
    }

    /// `exp(self) = power * 2^n`.
    pub fn exp_scaled(self) -> (Double, i32) {
        let n = (self.0 / LN_2).round();
        let r = self - LN2 * Double::from(n);
        (r.short_expm1() + ONE, n as i32)
    }

    pub fn exp(self) -> Double {
        let (power, n) = self.exp_scaled();
        power.scaled(n)
    }

    pub fn expm1(self) -> Double {
        if self.0.abs() < 0.4 { self.short_expm1() } else { self.exp() - ONE }
    }

    /// For numbers up to 0.4 by the series, at an eighth of the number.
    fn short_expm1(self) -> Double {
        let x = self.scaled(-3);
        let mut sum = ONE;
        for k in (2..22).rev() {
            sum = ONE + sum * x / Double::from(f64::from(k));
        }
        let mut power = sum * x;
        for _ in 0..3 {
            // (1 + e)^2 - 1
            power = power * power + power.scaled(1);
        }
        power
    }

    pub fn log(self) -> Double {
        let (fraction, n) = libm::frexp(self.0);
        let (m, n) =
            if fraction < 0.7 { (self.scaled(1 - n), n - 1) } else { (self.scaled(-n), n) };
        (m - ONE).log1p_near() + LN2 * Double::from(f64::from(n))
    }

    pub fn log1p(self) -> Double {
        if self.0.abs() < 0.4 { self.log1p_near() } else { (self + ONE).log() }
    }

    fn log1p_near(self) -> Double {
        let near = Double::from(self.0.ln_1p());
        let power = near.expm1();
        near + (self - power) / (ONE + power)
    }

    /// Sine and cosine, for numbers up to 2^23.
    pub fn sin_cos(self) -> (Double, Double) {
        let n = (self.0 * FRAC_2_PI).round();
        let times = |part: f64| two_product(n, part);
        let r = self - times(HALF_PI[0]) - times(HALF_PI[1]) - times(HALF_PI[2]);
        let z = r * r;
        let (mut sine, mut cosine) = (ONE, ONE);
        for k in (1..=DEGREE / 2).rev() {
            let k = f64::from(2 * k);
            sine = ONE - sine * z / Double::from(k * (k + 1.0));
            cosine = ONE - cosine * z / Double::from(k * (k - 1.0));
        }
        let sine = sine * r;
        match (n as i64).rem_euclid(4) {
            0 => (sine, cosine),
            1 => (cosine, -sine),
            2 => (-sine, -cosine),
            _ => (-cosine, sine),
        }
    }

    /// Angle of the point (x, self).
    pub fn angle(self, x: Double) -> Double {
        let y = self;
        let near = y.0.atan2(x.0);
        let (sine, cosine) = Double::from(near).sin_cos();
        Double::from(near) + (y * cosine - x * sine) / (x * cosine + y * sine)
    }

    /// `2 / sqrt(pi) exp(-x^2) sum 2^n x^(2 n + 1) / (2 n + 1)!!`, whose terms have one sign.
    pub fn erf(self) -> Double {
        let double = (self * self).scaled(1);
        let (mut term, mut sum, mut n) = (self, self, 1.0);
        while term.0.abs() > 1e-34 * sum.0.abs() {
            term = term * double / Double::from(2.0 * n + 1.0);
            sum = sum + term;
            n += 1.0;
        }
        (-(self * self)).exp() * sum.scaled(1) / PI.sqrt()
    }

    /// `1 - erf(self) = value * 2^n`; for large numbers by a continued fraction (NIST Handbook of
    /// Mathematical Functions, 7.9.1).
    pub fn erfc_scaled(self) -> (Double, i32) {
        if self.0 < 2.5 {
            return (ONE - self.erf(), 0);
        }
        let mut below = self;
        for k in (1..200).rev() {
            below = self + Double::from(0.5 * f64::from(k)) / below;
        }
        let (power, n) = (-(self * self)).exp_scaled();
        (power / (below * PI.sqrt()), n)
    }

    /// The same for numbers close to zero.
    pub fn erf_tiny(self) -> Double {
        self.scaled(1) / PI.sqrt()
    }
}
