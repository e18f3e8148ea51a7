//! A small evaluator of the formulas in which rows state partial derivatives. It computes a value
//! together with a tangent that the rows' own formulas give, so evaluating a partial yields
//! second derivatives.

use nablac::ops::scalar::ScalarOp;

/// A value and its derivative in one direction; no tangent means a structural zero.
#[derive(Copy, Clone, Debug)]
pub struct Dual {
    pub value: f64,
    pub tangent: Option<f64>,
}

impl Dual {
    pub fn constant(value: f64) -> Dual {
        Dual { value, tangent: None }
    }
}

/// Value of partial derivative `index` of `op` at `args`; `None` if it is structurally none.
pub fn partial(op: ScalarOp, index: usize, args: &[f64]) -> Option<f64> {
    let args: Vec<Dual> = args.iter().map(|&value| Dual::constant(value)).collect();
    partial_dual(op, index, &args).map(|dual| dual.value)
}

/// Partial derivative `index` of `op` at `args`, with its tangent.
pub fn partial_dual(op: ScalarOp, index: usize, args: &[Dual]) -> Option<Dual> {
    let text = op.row().partials[index];
    if text == "0" {
        return None;
    }
    // Partials of partials are taken without tangents, which ends the recursion.
    let result = if text.contains('y') { apply(op, args) } else { Dual::constant(f64::NAN) };
    let mut reader = Reader { text: text.as_bytes(), position: 0, args, result };
    let dual = reader.comparison();
    reader.skip_blanks();
    assert_eq!(reader.position, text.len(), "rest of {text}");
    Some(dual)
}

/// `op` of `args`, with the tangent of the result.
pub fn apply(op: ScalarOp, args: &[Dual]) -> Dual {
    let values: Vec<f64> = args.iter().map(|arg| arg.value).collect();
    let mut tangent: Option<f64> = None;
    for (index, arg) in args.iter().enumerate() {
        if let Some(arg_tangent) = arg.tangent
            && let Some(partial) = partial(op, index, &values)
        {
            tangent = Some(tangent.unwrap_or(0.0) + partial * arg_tangent);
        }
    }
    Dual { value: op.eval(&values), tangent }
}

/// A recursive-descent reader that evaluates as it reads.
struct Reader<'a> {
    text: &'a [u8],
    position: usize,
    args: &'a [Dual],
    result: Dual,
}

impl Reader<'_> {
    fn comparison(&mut self) -> Dual {
        let left = self.sum();
        for (symbol, op) in [
            ("<=", ScalarOp::Le),
            (">=", ScalarOp::Ge),
            ("==", ScalarOp::Eq),
            ("!=", ScalarOp::Ne),
            ("<", ScalarOp::Lt),
            (">", ScalarOp::Gt),
        ] {
            if self.take(symbol) {
                let right = self.sum();
                return apply(op, &[left, right]);
            }
        }
        left
    }

    fn sum(&mut self) -> Dual {
        let mut left = self.product();
        loop {
            let op = if self.take("+") {
                ScalarOp::Add
            } else if self.take("-") {
                ScalarOp::Sub
            } else {
                return left;
            };
            let right = self.product();
            left = apply(op, &[left, right]);
        }
    }

    fn product(&mut self) -> Dual {
        let mut left = self.negation();
        loop {
            let op = if self.take("*") {
                ScalarOp::Mul
            } else if self.take("/") {
                ScalarOp::Div
            } else {
                return left;
            };
            let right = self.negation();
            left = apply(op, &[left, right]);
        }
    }

    fn negation(&mut self) -> Dual {
        if self.take("-") {
            let operand = self.negation();
            return apply(ScalarOp::Neg, &[operand]);
        }
        self.atom()
    }

    fn atom(&mut self) -> Dual {
        if self.take("(") {
            let inner = self.comparison();
            assert!(self.take(")"));
            return inner;
        }
        let start = self.position;
        while self.text.get(self.position).is_some_and(|c| c.is_ascii_alphanumeric() || *c == b'.')
        {
            self.position += 1;
        }
        let word = std::str::from_utf8(&self.text[start..self.position]).expect("ASCII");
        match word {
            "a" => self.args[0],
            "b" => self.args[1],
            "c" => self.args[2],
            "y" => self.result,
            _ if self.take("(") => {
                let mut args = vec![self.comparison()];
                while self.take(",") {
                    args.push(self.comparison());
                }
                assert!(self.take(")"));
                let op = ScalarOp::from_name(word).expect(word);
                assert_eq!(args.len(), op.arity(), "{word}");
                apply(op, &args)
            }
            _ => Dual::constant(word.parse().expect(word)),
        }
    }

    fn take(&mut self, symbol: &str) -> bool {
        self.skip_blanks();
        let found = self.text[self.position..].starts_with(symbol.as_bytes());
        if found {
            self.position += symbol.len();
        }
        self.skip_blanks();
        found
    }

    fn skip_blanks(&mut self) {
        while self.text.get(self.position) == Some(&b' ') {
            self.position += 1;
        }
    }
}
