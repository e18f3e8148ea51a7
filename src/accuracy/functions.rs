//! The operations of the table to many digits: what they mean on real numbers.
//!
//! Where an argument is infinite or no number, the rules of IEEE 754 hold as in the table. Error
//! and gamma functions by series: Olver et al., "NIST Handbook of Mathematical Functions" (2010),
//! 5.5, 5.11, 5.15, 7.6 and 7.12.

use std::cmp::Ordering;

use astro_float::BigFloat;

use super::precise::{BITS, GUARD, Precise, add, div, from_f64, mul, sqrt, sub, to_f64};
use crate::ops::scalar::{Eval, ScalarOp};

const WORKING: usize = BITS + GUARD;
/// From here on the series for large arguments of the gamma function have all digits.
const LARGE: f64 = 100.0;
/// Steps of a recurrence that are taken at most.
const MANY: f64 = 10_000.0;

impl Precise {
    /// The value of an operation, to [`BITS`] bits; `None` where it is not known so well.
    pub fn apply(&mut self, op: ScalarOp, args: &[BigFloat]) -> Option<BigFloat> {
        use ScalarOp as S;
        if args.iter().any(|x| x.is_nan() || x.is_inf()) && !is_choice(op) {
            let args: Vec<f64> = args.iter().map(to_f64).collect();
            return Some(from_f64(evaluate(op, &args)));
        }
        // What turns or divides takes as many digits as a number is far from 1.
        let is_far = |x: &BigFloat| x.exponent().is_some_and(|e| e.unsigned_abs() > FAR);
        if args.iter().any(is_far) && goes_round(op) {
            return None;
        }
        let x = args.first()?;
        let other = || args.get(1).unwrap_or(x);
        let one = from_f64(1.0);
        Some(match op {
            S::Add => add(x, other(), BITS),
            S::Sub => sub(x, other(), BITS),
            S::Mul => mul(x, other(), BITS),
            S::Div if other().is_zero() => from_f64(to_f64(x) / to_f64(other())),
            S::Div => div(x, other(), BITS),
            S::Neg => x.neg(),
            S::Pow => self.pow(x, other()),
            S::Sqrt => sqrt(x, BITS),
            S::Cbrt => self.with(|mode, _| x.cbrt(BITS, mode)),
            S::Hypot => {
                let (x, y) = (mul(x, x, WORKING), mul(other(), other(), WORKING));
                sqrt(&add(&x, &y, WORKING), BITS)
            }
            S::Exp => self.exp(x, BITS),
            S::Expm1 => self.expm1(x),
            S::Log => self.log(x, BITS),
            S::Log1p | S::FastLog1p => self.log1p(x),
            S::Log2 | S::FastLog2 if x.is_positive() => self.with(|mode, c| x.log2(BITS, mode, c)),
            S::Log10 | S::FastLog10 if x.is_positive() => {
                self.with(|mode, c| x.log10(BITS, mode, c))
            }
            S::Log2 | S::Log10 | S::FastLog2 | S::FastLog10 => self.log(x, BITS),
            S::Sin | S::FastSin => self.with(|mode, c| x.sin(BITS, mode, c)),
            S::Cos | S::FastCos => self.with(|mode, c| x.cos(BITS, mode, c)),
            S::Tan | S::FastTan => self.with(|mode, c| x.tan(BITS, mode, c)),
            S::Acos | S::FastAcos if *x == one => from_f64(0.0),
            S::Asin | S::FastAsin => self.with(|mode, c| x.asin(BITS, mode, c)),
            S::Acos | S::FastAcos => self.with(|mode, c| x.acos(BITS, mode, c)),
            S::Atan | S::FastAtan => self.with(|mode, c| x.atan(BITS, mode, c)),
            S::Atan2 => self.atan2(x, other()),
            S::Sinh => self.with(|mode, c| x.sinh(BITS, mode, c)),
            S::Cosh => self.with(|mode, c| x.cosh(BITS, mode, c)),
            S::Tanh | S::FastTanh => self.tanh(x),
            S::Asinh => self.with(|mode, c| x.asinh(BITS, mode, c)),
            S::Acosh if *x == one => from_f64(0.0),
            S::Acosh => self.with(|mode, c| x.acosh(BITS, mode, c)),
            S::Atanh if x.abs() == one => from_f64(to_f64(x).atanh()),
            S::Atanh => self.with(|mode, c| x.atanh(BITS, mode, c)),
            S::Abs => x.abs(),
            S::Sign => from_f64(evaluate(op, &[signum(x)])),
            S::Copysign if other().is_negative() => x.abs().neg(),
            S::Copysign => x.abs(),
            S::Floor => x.floor(),
            S::Ceil => x.ceil(),
            S::Round => round(x),
            S::Mod | S::Rem | S::Remainder if other().is_zero() => from_f64(f64::NAN),
            S::Rem => x.rem(other()),
            S::Mod => {
                let rest = x.rem(other());
                let fits = rest.is_zero() || rest.is_negative() == other().is_negative();
                if fits { rest } else { add(&rest, other(), BITS) }
            }
            S::Remainder => remainder(x, other()),
            S::Erf => self.erf(x, BITS),
            S::Erfc => self.erfc(x),
            S::Gamma => self.gamma(x)?,
            S::Lgamma => self.lgamma(x)?,
            S::Polygamma => self.polygamma(to_f64(x), other())?,
            S::Sigmoid => {
                let power = self.exp(&x.neg(), WORKING);
                div(&one, &add(&one, &power, WORKING), BITS)
            }
            S::Softplus | S::FastSoftplus => {
                let power = self.exp(x, WORKING);
                self.log1p(&power)
            }
            S::Step => truth(!x.is_negative() || x.is_zero()),
            S::Min if compare(other(), x) == Some(Ordering::Less) => other().clone(),
            S::Max if compare(other(), x) == Some(Ordering::Greater) => other().clone(),
            S::Min | S::Max | S::StopGradient => x.clone(),
            S::Lt => truth(compare(x, other()).is_some_and(Ordering::is_lt)),
            S::Le => truth(compare(x, other()).is_some_and(Ordering::is_le)),
            S::Gt => truth(compare(x, other()).is_some_and(Ordering::is_gt)),
            S::Ge => truth(compare(x, other()).is_some_and(Ordering::is_ge)),
            S::Eq => truth(compare(x, other()).is_some_and(Ordering::is_eq)),
            S::Ne => truth(!compare(x, other()).is_some_and(Ordering::is_eq)),
            S::And => truth(!x.is_zero() && !other().is_zero()),
            S::Or => truth(!x.is_zero() || !other().is_zero()),
            S::Not => truth(x.is_zero()),
            S::Fma => {
                // The product whole: it may cancel against what is added.
                let product = mul(x, other(), 2 * BITS);
                add(&product, args.get(2)?, BITS)
            }
            S::Select => args.get(if x.is_zero() { 2 } else { 1 })?.clone(),
        })
    }

    fn exp(&mut self, x: &BigFloat, bits: usize) -> BigFloat {
        self.with(|mode, c| x.exp(bits, mode, c))
    }

    fn log(&mut self, x: &BigFloat, bits: usize) -> BigFloat {
        match x.is_negative() && !x.is_zero() {
            true => from_f64(f64::NAN),
            false => self.with(|mode, c| x.ln(bits, mode, c)),
        }
    }

    /// The difference from 1 has as many digits as the argument.
    fn expm1(&mut self, x: &BigFloat) -> BigFloat {
        let bits = WORKING + small_by(x);
        sub(&self.exp(x, bits), &from_f64(1.0), BITS)
    }

    fn log1p(&mut self, x: &BigFloat) -> BigFloat {
        let bits = WORKING + small_by(x);
        self.log(&add(x, &from_f64(1.0), bits), BITS)
    }

    fn tanh(&mut self, x: &BigFloat) -> BigFloat {
        if to_f64(x).abs() < BITS as f64 {
            return self.with(|mode, c| x.tanh(BITS, mode, c));
        }
        from_f64(signum(x))
    }

    fn pow(&mut self, x: &BigFloat, y: &BigFloat) -> BigFloat {
        let one = from_f64(1.0);
        if y.is_zero() || *x == one {
            return one;
        }
        let whole = y.is_int();
        if x.is_zero() || x.is_negative() && !whole {
            return from_f64(to_f64(x).powf(to_f64(y)));
        }
        let power = self.with(|mode, c| x.abs().pow(y, BITS, mode, c));
        if x.is_negative() && is_odd(y) { power.neg() } else { power }
    }

    fn atan2(&mut self, y: &BigFloat, x: &BigFloat) -> BigFloat {
        if y.is_zero() && (x.is_zero() || !x.is_negative()) {
            return from_f64(to_f64(y).atan2(to_f64(x)));
        }
        let pi = self.pi(WORKING);
        let upwards = !y.is_negative();
        let turned = |angle: BigFloat| if upwards { angle } else { angle.neg() };
        if x.is_zero() {
            return turned(div(&pi, &from_f64(2.0), BITS));
        }
        if y.is_zero() {
            return turned(pi);
        }
        let slope = div(y, x, WORKING);
        let angle = self.with(|mode, c| slope.atan(WORKING, mode, c));
        match x.is_negative() {
            true => add(&angle, &turned(pi), BITS),
            false => angle,
        }
    }

    /// `2 / sqrt(pi) exp(-x^2) sum 2^n x^(2 n + 1) / (2 n + 1)!!`, whose terms have one sign.
    fn erf(&mut self, x: &BigFloat, bits: usize) -> BigFloat {
        let square = mul(x, x, bits + GUARD);
        if to_f64(&square) > bits as f64 {
            return from_f64(signum(x));
        }
        let bits = bits + GUARD;
        let double = mul(&square, &from_f64(2.0), bits);
        let (mut term, mut sum) = (x.clone(), x.clone());
        let mut n = 1.0;
        while is_felt(&term, &sum, bits) {
            term = div(&mul(&term, &double, bits), &from_f64(2.0 * n + 1.0), bits);
            sum = add(&sum, &term, bits);
            n += 1.0;
        }
        let root = sqrt(&self.pi(bits), bits);
        let scale = div(&from_f64(2.0), &root, bits);
        let bell = self.exp(&square.neg(), bits);
        mul(&mul(&scale, &bell, bits), &sum, bits)
    }

    fn erfc(&mut self, x: &BigFloat) -> BigFloat {
        let one = from_f64(1.0);
        let square = to_f64(&mul(x, x, WORKING));
        if x.is_negative() || square < BITS as f64 {
            // What the difference cancels: exp(-x^2).
            let bits = WORKING + (square.min(BITS as f64) * 1.5) as usize;
            return sub(&one, &self.erf(x, bits), BITS);
        }
        // exp(-x^2) / (x sqrt(pi)) sum (-1)^n (2 n - 1)!! / (2 x^2)^n, as long as terms fall.
        let square = mul(x, x, WORKING);
        let double = mul(&square, &from_f64(2.0), WORKING);
        let (mut term, mut sum) = (one.clone(), one);
        let mut n = 1.0;
        while is_felt(&term, &sum, WORKING) && 2.0 * n < to_f64(&double) {
            term = div(&mul(&term, &from_f64(1.0 - 2.0 * n), WORKING), &double, WORKING);
            sum = add(&sum, &term, WORKING);
            n += 1.0;
        }
        let root = sqrt(&self.pi(WORKING), WORKING);
        let bell = self.exp(&square.neg(), WORKING);
        div(&mul(&bell, &sum, WORKING), &mul(x, &root, WORKING), BITS)
    }

    /// B2, B4, ... of which `n` at least.
    fn bernoulli(&mut self, n: usize) -> &[BigFloat] {
        // Tangent numbers are integers, of which these bits hold all: Brent & Harvey, "Fast
        // computation of Bernoulli, tangent and secant numbers" (2013), algorithm TangentNumbers.
        const EXACT: usize = 2048;
        if self.bernoulli.len() < n {
            let mut tangent = vec![from_f64(1.0)];
            for k in 1..n {
                tangent.push(mul(&tangent[k - 1], &from_f64(k as f64), EXACT));
            }
            for k in 1..n {
                for j in k..n {
                    let (back, own) = ((j - k) as f64, (j - k + 2) as f64);
                    let first = mul(&tangent[j - 1], &from_f64(back), EXACT);
                    let second = mul(&tangent[j], &from_f64(own), EXACT);
                    tangent[j] = add(&first, &second, EXACT);
                }
            }
            let mut power = from_f64(1.0);
            self.bernoulli.clear();
            for (k, tangent) in tangent.into_iter().enumerate() {
                // B_2m = (-1)^(m - 1) 2 m T_m / (4^m (4^m - 1)).
                let m = k + 1;
                power = mul(&power, &from_f64(4.0), EXACT);
                let below = mul(&power, &sub(&power, &from_f64(1.0), EXACT), EXACT);
                let sign = if m % 2 == 1 { 2.0 } else { -2.0 };
                let above = mul(&tangent, &from_f64(sign * m as f64), EXACT);
                self.bernoulli.push(div(&above, &below, WORKING + GUARD));
            }
        }
        &self.bernoulli
    }

    /// `(x shifted up to LARGE, the product of what was passed)`.
    fn shifted(x: &BigFloat, bits: usize) -> (BigFloat, BigFloat) {
        let (mut large, mut product) = (x.clone(), from_f64(1.0));
        while to_f64(&large) < LARGE {
            product = mul(&product, &large, bits);
            large = add(&large, &from_f64(1.0), bits);
        }
        (large, product)
    }

    /// The logarithm of the gamma function at a large argument.
    fn stirling(&mut self, z: &BigFloat, bits: usize) -> BigFloat {
        let log = self.log(z, bits);
        let mut sum = sub(&mul(&sub(z, &from_f64(0.5), bits), &log, bits), z, bits);
        let double = mul(&self.pi(bits), &from_f64(2.0), bits);
        let half = div(&self.log(&double, bits), &from_f64(2.0), bits);
        sum = add(&sum, &half, bits);
        let square = mul(z, z, bits);
        let mut power = z.clone();
        for (k, b) in self.bernoulli(N_BERNOULLI).iter().enumerate() {
            let m = 2.0 * (k + 1) as f64;
            let term = div(b, &mul(&from_f64(m * (m - 1.0)), &power, bits), bits);
            sum = add(&sum, &term, bits);
            if !is_felt(&term, &sum, bits) {
                break;
            }
            power = mul(&power, &square, bits);
        }
        sum
    }

    /// `pi / sin(pi x)`.
    fn reflection(&mut self, x: &BigFloat, bits: usize) -> BigFloat {
        let near = round(x);
        let pi = self.pi(bits);
        let angle = mul(&pi, &sub(x, &near, bits), bits);
        let sine = self.with(|mode, c| angle.sin(bits, mode, c));
        let slope = div(&pi, &sine, bits);
        if is_odd(&near) { slope.neg() } else { slope }
    }

    fn gamma(&mut self, x: &BigFloat) -> Option<BigFloat> {
        if x.is_int() && (x.is_negative() || x.is_zero()) {
            return Some(from_f64(evaluate(ScalarOp::Gamma, &[to_f64(x)])));
        }
        if x.is_negative() {
            let other = self.gamma(&sub(&from_f64(1.0), x, WORKING))?;
            return Some(div(&self.reflection(x, WORKING), &other, BITS));
        }
        // The logarithm of a large number gives its digits away.
        let bits = WORKING + GUARD;
        if to_f64(x) > 1e9 {
            return Some(from_f64(f64::INFINITY));
        }
        let (large, product) = Self::shifted(x, bits);
        let log = self.stirling(&large, bits);
        Some(div(&self.exp(&log, bits), &product, BITS))
    }

    fn lgamma(&mut self, x: &BigFloat) -> Option<BigFloat> {
        if x.is_int() && (x.is_negative() || x.is_zero()) {
            return Some(from_f64(f64::INFINITY));
        }
        if *x == from_f64(1.0) || *x == from_f64(2.0) {
            return Some(from_f64(0.0));
        }
        // Close to a zero of the logarithm digits cancel, as many as the argument has.
        let bits = WORKING + 2 * GUARD;
        if x.is_negative() {
            let reflected = self.reflection(x, bits).abs();
            let other = self.lgamma(&sub(&from_f64(1.0), x, bits))?;
            return Some(sub(&self.log(&reflected, bits), &other, BITS));
        }
        let (large, product) = Self::shifted(x, bits);
        let (log, passed) = (self.stirling(&large, bits), self.log(&product, bits));
        Some(sub(&log, &passed, BITS))
    }

    fn polygamma(&mut self, order: f64, x: &BigFloat) -> Option<BigFloat> {
        let pole = x.is_int() && (x.is_negative() || x.is_zero());
        if pole || order < 0.0 || order.fract() != 0.0 || order > 500.0 {
            return Some(from_f64(evaluate(ScalarOp::Polygamma, &[order, to_f64(x)])));
        }
        if to_f64(x).abs() > MANY && x.is_negative() {
            return None;
        }
        let bits = WORKING + 2 * GUARD;
        let n = order as i32;
        // The series, from an argument on at which its terms fall far enough, times
        // (-1)^(n + 1) for orders above 0; then one pole after the other.
        let from = LARGE + 2.0 * order;
        let mut z = x.clone();
        let mut poles = from_f64(0.0);
        let power =
            |z: &BigFloat, n: i32| (0..n).fold(from_f64(1.0), |product, _| mul(&product, z, bits));
        let factorial = (1..=n).fold(from_f64(1.0), |f, k| mul(&f, &from_f64(k.into()), bits));
        while to_f64(&z) < from {
            poles = add(&poles, &div(&factorial, &power(&z, n + 1), bits), bits);
            z = add(&z, &from_f64(1.0), bits);
        }
        let mut below = power(&z, n);
        // (n - 1)! / z^n, or minus the logarithm.
        let mut sum = match n {
            0 => self.log(&z, bits).neg(),
            _ => div(&div(&factorial, &from_f64(order), bits), &below, bits),
        };
        let half = div(&factorial, &mul(&from_f64(2.0), &mul(&below, &z, bits), bits), bits);
        sum = add(&sum, &half, bits);
        // (2 k + n - 1)! / (2 k)!, at first for k = 1.
        let mut ratio = div(&mul(&factorial, &from_f64(order + 1.0), bits), &from_f64(2.0), bits);
        let square = mul(&z, &z, bits);
        for (k, b) in self.bernoulli(N_BERNOULLI).iter().enumerate() {
            below = mul(&below, &square, bits);
            let term = div(&mul(b, &ratio, bits), &below, bits);
            sum = add(&sum, &term, bits);
            if !is_felt(&term, &sum, bits) {
                break;
            }
            let m = 2.0 * (k + 1) as f64;
            let up = (m + order) * (m + order + 1.0);
            ratio = mul(&ratio, &from_f64(up), bits);
            ratio = div(&ratio, &from_f64((m + 1.0) * (m + 2.0)), bits);
        }
        let all = add(&sum, &poles, BITS);
        Some(if n % 2 == 0 { all.neg() } else { all })
    }
}

/// Bernoulli numbers that the series at [`LARGE`] take at most.
const N_BERNOULLI: usize = 120;

/// The operation as engines do it.
pub fn evaluate(op: ScalarOp, args: &[f64]) -> f64 {
    match (op.row().eval, args) {
        (Eval::F1(f), [a, ..]) => f(*a),
        (Eval::F2(f), [a, b, ..]) => f(*a, *b),
        (Eval::F3(f), [a, b, c, ..]) => f(*a, *b, *c),
        _ => f64::NAN,
    }
}

/// The binary exponent from which on periods are not followed.
const FAR: u32 = 1 << 14;

/// Whether an operation is periodic, in its operands or by whether a power is even.
fn goes_round(op: ScalarOp) -> bool {
    use ScalarOp as S;
    matches!(
        op,
        S::Sin
            | S::Cos
            | S::Tan
            | S::FastSin
            | S::FastCos
            | S::FastTan
            | S::Mod
            | S::Rem
            | S::Remainder
            | S::Pow
            | S::Gamma
            | S::Lgamma
    )
}

/// Whether an operation picks one of its arguments, whatever the others are.
fn is_choice(op: ScalarOp) -> bool {
    matches!(op, ScalarOp::Select | ScalarOp::StopGradient)
}

fn truth(holds: bool) -> BigFloat {
    from_f64(if holds { 1.0 } else { 0.0 })
}

fn compare(a: &BigFloat, b: &BigFloat) -> Option<Ordering> {
    a.cmp(b).map(|order| order.cmp(&0))
}

/// -1, 0 or 1, zeros with their sign.
fn signum(x: &BigFloat) -> f64 {
    match (x.is_zero(), x.is_negative()) {
        (true, true) => -0.0,
        (true, false) => 0.0,
        (false, true) => -1.0,
        (false, false) => 1.0,
    }
}

/// By how many bits a number is smaller than 1.
fn small_by(x: &BigFloat) -> usize {
    x.exponent().map_or(0, |e| usize::try_from(-i64::from(e)).unwrap_or(0)).min(8 * BITS)
}

/// Whether a term still changes a sum.
fn is_felt(term: &BigFloat, sum: &BigFloat, bits: usize) -> bool {
    match (term.exponent(), sum.exponent()) {
        (Some(t), Some(s)) => !term.is_zero() && i64::from(t) + bits as i64 > i64::from(s),
        _ => false,
    }
}

/// The nearest whole number, halves away from zero.
fn round(x: &BigFloat) -> BigFloat {
    let size = add(&x.abs(), &from_f64(0.5), 2 * BITS).floor();
    if x.is_negative() { size.neg() } else { size }
}

/// Whether a whole number is odd.
fn is_odd(x: &BigFloat) -> bool {
    !x.rem(&from_f64(2.0)).is_zero()
}

/// What is left of `x` by `y` when the quotient is the nearest whole number, halves to even.
fn remainder(x: &BigFloat, y: &BigFloat) -> BigFloat {
    let (size, by) = (x.abs(), y.abs());
    let rest = size.rem(&by);
    let double = mul(&rest, &from_f64(2.0), BITS);
    let quotient_is_odd = {
        let twice = mul(&by, &from_f64(2.0), BITS);
        compare(&size.rem(&twice), &by).is_some_and(Ordering::is_ge)
    };
    let goes_up = match compare(&double, &by) {
        Some(Ordering::Greater) => true,
        Some(Ordering::Equal) => quotient_is_odd,
        _ => false,
    };
    let rest = if goes_up { sub(&rest, &by, BITS) } else { rest };
    if x.is_negative() { rest.neg() } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accuracy::precise::digits_lost;

    /// What engines compute is the exact value but for rounding, at samples and at edges.
    #[test]
    fn the_table_is_right() {
        let mut precise = Precise::new().unwrap();
        let mut wrong = Vec::new();
        for &op in ScalarOp::ALL {
            let row = op.row();
            for at in row.samples.iter().chain(row.edges) {
                let args: Vec<BigFloat> = at.iter().map(|&x| from_f64(x)).collect();
                let Some(exact) = precise.apply(op, &args) else { continue };
                let found = evaluate(op, at);
                let lost = digits_lost(found, &exact);
                if lost > 1.5 {
                    wrong.push(format!("{} at {at:?}: {found:e}, {:e}", row.name, to_f64(&exact)));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Values of 50 digits from elsewhere (mpmath).
    #[test]
    fn known_values() {
        let mut precise = Precise::new().unwrap();
        for (op, args, digits) in KNOWN {
            let args: Vec<BigFloat> = args.iter().map(|&x| from_f64(x)).collect();
            let found = precise.apply(*op, &args).unwrap();
            let want = precise
                .with(|mode, c| BigFloat::parse(digits, astro_float::Radix::Dec, BITS, mode, c));
            let error = to_f64(&div(&sub(&found, &want, BITS), &want, BITS)).abs();
            assert!(error < 1e-48, "{op:?} at {args:?}: {error:e}");
        }
    }

    const KNOWN: &[(ScalarOp, &[f64], &str)] = &[
        (ScalarOp::Erf, &[0.3], "0.3286267594591274161896179853182030332584717593129034102"),
        (ScalarOp::Erf, &[-2.5], "-0.9995930479825550410604357842600250872796513225962865799"),
        (ScalarOp::Erf, &[6.0], "0.9999999999999999784802632875010868834066496008126153695"),
        (ScalarOp::Erfc, &[0.3], "0.6713732405408725838103820146817969667415282406870965898"),
        (ScalarOp::Erfc, &[-2.5], "1.999593047982555041060435784260025087279651322596286580"),
        (
            ScalarOp::Erfc,
            &[6.0],
            "0.00000000000000002151973671249891311659335039918738463047751406168854210",
        ),
        (ScalarOp::Erfc, &[19.0], "4.917722839256475446413297625239608170930672249989259036e-159"),
        (ScalarOp::Erfc, &[26.5], "2.210907664263734275929239022915826039075418154301602572e-307"),
        (ScalarOp::Erfc, &[40.0], "1.896961059966276509268278259713415434936907563929186183e-697"),
        (ScalarOp::Gamma, &[0.3], "2.991568987687590744642160675196041183776899106488475276"),
        (ScalarOp::Gamma, &[-2.6], "-0.8886857146465096956822315335621908343704009659384901475"),
        (ScalarOp::Gamma, &[20.5], "540624298233507504.4736873647808221412273166395781714790"),
        (
            ScalarOp::Gamma,
            &[150.25],
            "1.332150776195163484301175039370643143242689361732953186e+261",
        ),
        (ScalarOp::Lgamma, &[0.3], "1.095797994818075560562998500309163090233267010997916490"),
        (ScalarOp::Lgamma, &[-2.6], "-0.1180116328053974755583636733489833536325059330245877080"),
        (
            ScalarOp::Lgamma,
            &[1.0000001],
            "-0.00000005772155829918507096963801793243098998236061232527850416",
        ),
        (ScalarOp::Lgamma, &[250000.0], "2857298.753541863987132703420440507394433741267600389822"),
        (
            ScalarOp::Polygamma,
            &[0.0, 0.3],
            "-3.502524222200133124915351147545803068825490494953648417",
        ),
        (
            ScalarOp::Polygamma,
            &[0.0, -2.6],
            "0.1148975066969341955897034028395448806283966484107603286",
        ),
        (
            ScalarOp::Polygamma,
            &[1.0, 0.7],
            "2.834049156694610912616734070030962734106093463981232726",
        ),
        (
            ScalarOp::Polygamma,
            &[2.0, -1.3],
            "68.54941347116213423211411794496190284381710093175433736",
        ),
        (
            ScalarOp::Polygamma,
            &[7.0, 30.5],
            "0.00000003283670584529739322100178934901144503339307534084561595",
        ),
        (
            ScalarOp::Polygamma,
            &[40.0, 3.25],
            "-840300324416691951360220566.1153955583696420507109127880",
        ),
        (
            ScalarOp::Polygamma,
            &[300.0, 2.5],
            "-5.079961647660420471756403903896071484187370756972882097e+494",
        ),
        (ScalarOp::Expm1, &[1e-30], "1.000000000000000083336420607586485350931336026951990923e-30"),
        (ScalarOp::Expm1, &[-0.4], "-0.3296799539643607141396620543834065068559606953762137971"),
        (ScalarOp::Log1p, &[1e-30], "1.000000000000000083336420607585485350931336026785318082e-30"),
        (ScalarOp::Log1p, &[-0.4], "-0.5108256237659907202129482504755473004409244038236544457"),
        (
            ScalarOp::Softplus,
            &[-90.0],
            "8.194012623990515430361108213381943390423775286445530683e-40",
        ),
        (
            ScalarOp::Sigmoid,
            &[-700.0],
            "9.859676543759770856705372947849465105115600181400941711e-305",
        ),
        (ScalarOp::Atan2, &[1.0, -3.0], "2.819842099193151045061238768920841565176414103817449630"),
        (
            ScalarOp::Atan2,
            &[-1.0, -3.0],
            "-2.819842099193151045061238768920841565176414103817449630",
        ),
        (
            ScalarOp::Hypot,
            &[1e+200, 1e+200],
            "1.414213562373095005997859666452875357725145145314446220e+200",
        ),
        (ScalarOp::Pow, &[-2.5, 7.0], "-610.3515625000000000000000000000000000000000000000000000"),
        (ScalarOp::Pow, &[0.1, -3.7], "5011.872336272723870583197263200865926210386853305040892"),
    ];
}
