//! The normal numbers of numpy's `default_rng(seed).standard_normal()`, at which references were
//! computed: PCG-64 (XSL-RR) after O'Neill, numpy's seeding, the ziggurat of Marsaglia and Tsang.

const N_LAYERS: usize = 256;
/// Where the last layer ends, and the area of each.
const END: f64 = 3.654_152_885_361_009;
const AREA: f64 = 0.004_928_673_233_974_655;

pub struct NumpyRandom {
    state: u128,
    increment: u128,
    /// Of each layer: the bound below which numbers are taken at once, the width of a step, the
    /// density at its end.
    layers: Vec<(u64, f64, f64)>,
}

impl NumpyRandom {
    pub fn new(seed: u32) -> NumpyRandom {
        let words = seed_words(seed);
        let wide = |k: usize| (u128::from(words[k]) << 64) | u128::from(words[k + 1]);
        let mut random =
            NumpyRandom { state: 0, increment: (wide(2) << 1) | 1, layers: ziggurat() };
        random.step();
        random.state = random.state.wrapping_add(wide(0));
        random.step();
        random
    }

    pub fn normals(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.normal()).collect()
    }

    fn step(&mut self) {
        const FACTOR: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;
        self.state = self.state.wrapping_mul(FACTOR).wrapping_add(self.increment);
    }

    fn bits(&mut self) -> u64 {
        self.step();
        let (high, low) = ((self.state >> 64) as u64, self.state as u64);
        (high ^ low).rotate_right((high >> 58) as u32)
    }

    /// In 0..1.
    fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        loop {
            let bits = self.bits();
            let (layer, negative) = ((bits & 0xff) as usize, bits >> 8 & 1 == 1);
            let steps = bits >> 9 & ((1 << 52) - 1);
            let (bound, width, density) = self.layers[layer];
            let x = steps as f64 * width;
            let x = if negative { -x } else { x };
            if steps < bound {
                return x;
            }
            if layer == 0 {
                loop {
                    let beyond = -(-self.uniform()).ln_1p() / END;
                    let y = -(-self.uniform()).ln_1p();
                    if y + y > beyond * beyond {
                        let x = END + beyond;
                        return if steps >> 8 & 1 == 1 { -x } else { x };
                    }
                }
            }
            let above = self.layers[layer - 1].2;
            if (above - density) * self.uniform() + density < (-0.5 * x * x).exp() {
                return x;
            }
        }
    }
}

fn ziggurat() -> Vec<(u64, f64, f64)> {
    let density = |x: f64| (-0.5 * x * x).exp();
    let steps = (1u64 << 52) as f64;
    let mut layers = vec![(0, 0.0, 1.0); N_LAYERS];
    let base = AREA / density(END);
    layers[0].0 = (END / base * steps) as u64;
    layers[0].1 = base / steps;
    layers[N_LAYERS - 1].1 = END / steps;
    layers[N_LAYERS - 1].2 = density(END);
    let mut end = END;
    for k in (1..N_LAYERS - 1).rev() {
        let next = (-2.0 * (AREA / end + density(end)).ln()).sqrt();
        layers[k + 1].0 = (next / end * steps) as u64;
        layers[k].1 = next / steps;
        layers[k].2 = density(next);
        end = next;
    }
    layers
}

/// What numpy's `SeedSequence(seed)` gives.
fn seed_words(seed: u32) -> [u64; 4] {
    let mut constant = 0x43b0_d7e5_u32;
    let mut hash = |value: u32| {
        let mixed = value ^ constant;
        constant = constant.wrapping_mul(0x931e_8875);
        let mixed = mixed.wrapping_mul(constant);
        mixed ^ mixed >> 16
    };
    let mut pool = [seed, 0, 0, 0].map(&mut hash);
    for from in 0..4 {
        for to in (0..4).filter(|&to| to != from) {
            let other = hash(pool[from]).wrapping_mul(0x4973_f715);
            let mixed = pool[to].wrapping_mul(0xca01_f9dd).wrapping_sub(other);
            pool[to] = mixed ^ mixed >> 16;
        }
    }
    let mut constant = 0x8b51_f9dd_u32;
    let mut half = |k: usize| {
        let mixed = pool[k % 4] ^ constant;
        constant = constant.wrapping_mul(0x58f3_8ded);
        let mixed = mixed.wrapping_mul(constant);
        u64::from(mixed ^ mixed >> 16)
    };
    [0, 1, 2, 3].map(|k| half(2 * k) | half(2 * k + 1) << 32)
}

#[test]
fn numbers_are_those_of_numpy() {
    // numpy.random.default_rng(1).standard_normal(100000): some, and the sum of all.
    let numbers = NumpyRandom::new(1).normals(100_000);
    for (k, expected) in [
        (0, 0.345584192064786),
        (1, 0.8216181435011584),
        (2, 0.33043707618338714),
        (999, 0.27495632326711866),
        (99999, 0.9684097467571625),
    ] {
        assert!((numbers[k] - expected).abs() < 1e-14, "{k}: {} and {expected}", numbers[k]);
    }
    let sum: f64 = numbers.iter().sum();
    assert!((sum + 459.05720428757843).abs() < 1e-9, "{sum}");
}
