//! Arguments of the elementary functions: their whole ranges, and many close to where they are
//! zero, overflow or change most.

use nablac::ops::scalar::ScalarOp;
use std::f64::consts::FRAC_PI_2;

/// Marsaglia's generator of random bits.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 0 to 1.
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From -1 to 1, of some size down to 2^-60.
    fn small(&mut self) -> f64 {
        let unit = self.unit();
        (2.0 * unit - 1.0) * 2f64.powi(-((self.bits() % 60) as i32))
    }
}

/// The operation that is computed without haste, or this one.
pub fn exact_form(op: ScalarOp) -> ScalarOp {
    ScalarOp::ALL.iter().copied().find(|other| other.row().fast == Some(op)).unwrap_or(op)
}

/// Arguments, the second one for functions of two, at which the value is a number other than zero.
pub fn points(op: ScalarOp, n: usize) -> Vec<(f64, f64)> {
    let op = exact_form(op);
    let mut random = Random(88172645463325252);
    let all = (0..).map(|k| match op {
        ScalarOp::Pow => power(k, &mut random),
        ScalarOp::Hypot | ScalarOp::Atan2 => pair(k, &mut random),
        _ => (single(op, k, &mut random), 0.0),
    });
    all.filter(|&(a, b)| is_inside(op, a, b)).take(n).collect()
}

/// Where most of what a function does happens.
fn range(op: ScalarOp) -> (f64, f64) {
    use ScalarOp as S;
    match op {
        S::Exp | S::Sigmoid | S::Softplus => (-745.0, 710.0),
        S::Expm1 => (-40.0, 710.0),
        S::Sinh | S::Cosh => (-710.5, 710.5),
        S::Sin | S::Cos | S::Tan => (-NEAR, NEAR),
        S::Asin | S::Acos | S::Atanh => (-1.0, 1.0),
        S::Acosh => (1.0, 1000.0),
        S::Erf => (-7.0, 7.0),
        S::Erfc => (-7.0, 27.3),
        _ => (-40.0, 40.0),
    }
}

/// Up to where circular functions are not those of a library.
pub const NEAR: f64 = 1.6e6;

fn single(op: ScalarOp, k: usize, random: &mut Random) -> f64 {
    use ScalarOp as S;
    let (lo, hi) = range(op);
    let unit = random.unit();
    match (k % 5, op) {
        (0, _) => lo + (hi - lo) * unit,
        (1, S::Log | S::Log2 | S::Log10) => 1.0 + random.small(),
        (1, S::Acosh) => 1.0 + random.small().abs(),
        (1, S::Asin | S::Acos | S::Atanh) if k.is_multiple_of(2) => {
            (1.0 - random.small().abs()).copysign(unit - 0.5)
        }
        (1, S::Log1p) if k.is_multiple_of(2) => -1.0 + random.small().abs(),
        (1, _) => random.small(),
        (2, S::Sin | S::Cos | S::Tan) => {
            ((random.bits() % 1_000_000) as f64 * FRAC_PI_2).copysign(unit - 0.5)
        }
        (2, _) => 20.0 * unit - 10.0,
        (3, _) => f64::from_bits(random.bits()),
        _ => 4.0 * unit - 2.0,
    }
}

/// Two numbers of all sizes, often of like ones.
fn pair(k: usize, random: &mut Random) -> (f64, f64) {
    let any = |random: &mut Random| f64::from_bits(random.bits());
    let like = |x: f64, random: &mut Random| {
        (4.0 * random.unit() - 2.0) * x * 2f64.powi((random.bits() % 40) as i32 - 20)
    };
    let x = if k.is_multiple_of(2) { any(random) } else { 20.0 * random.unit() - 10.0 };
    match k / 2 % 4 {
        0 => (x, any(random)),
        1 => (x, like(x, random)),
        2 => (x, x * (1.0 + random.small())),
        _ => (20.0 * random.small(), 20.0 * random.unit() - 10.0),
    }
}

/// Bases and exponents, many with results close to overflow or underflow.
fn power(k: usize, random: &mut Random) -> (f64, f64) {
    let x = match k % 4 {
        0 => f64::from_bits(random.bits()),
        1 => 1.0 + random.small(),
        _ => 10.0 * random.unit(),
    };
    let whole = (random.bits() % 41) as f64 - 20.0;
    match k / 4 % 5 {
        0 => (x.abs(), 20.0 * random.unit() - 10.0),
        1 => (x.abs(), (1500.0 * random.unit() - 770.0) / x.abs().ln()),
        2 => (x.abs(), 0.5 * whole),
        3 => (-x.abs(), whole),
        _ => (x.abs(), random.small()),
    }
}

fn is_inside(op: ScalarOp, a: f64, b: f64) -> bool {
    use ScalarOp as S;
    if !a.is_finite() || !b.is_finite() || a == 0.0 {
        return false;
    }
    match op {
        S::Exp => a > -745.1 && a < 709.78,
        S::Expm1 => a < 709.78,
        S::Sinh | S::Cosh => a.abs() < 710.475,
        S::Sigmoid | S::Softplus => a > -745.1,
        S::Sin | S::Cos | S::Tan => a.abs() <= NEAR,
        S::Asin | S::Acos | S::Atanh => a.abs() < 1.0,
        S::Acosh | S::Log | S::Log2 | S::Log10 => a != 1.0 && a > f64::from(op == S::Acosh),
        S::Log1p => a > -1.0,
        S::Erfc => a < 27.22,
        S::Hypot => b != 0.0 && a.hypot(b) < 1.79e308,
        S::Atan2 => b != 0.0 && (b < 0.0 || a.abs() / b > 1e-320),
        S::Pow => {
            let log = b * a.abs().ln();
            b != 0.0 && log > -745.1 && log < 709.78
        }
        _ => true,
    }
}

/// Arguments at which functions may be special.
pub const SPECIAL: [f64; 32] = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    1e-310,
    -1e-310,
    f64::MIN_POSITIVE,
    1e-300,
    -1e-20,
    0.5,
    -0.5,
    0.9999999999999999,
    1.0,
    -1.0,
    1.0000000000000002,
    -1.5,
    2.0,
    -2.0,
    3.0,
    -3.0,
    20.5,
    710.0,
    -745.1,
    -746.0,
    3e6,
    9007199254740993.0,
    -9007199254740991.0,
    1e22,
    1e300,
    -f64::MAX,
    f64::INFINITY,
    f64::NEG_INFINITY,
];
