//! Scalar formulas: partial derivatives in the operation table, sides of rewrite rules.
//!
//! The language's scalar expressions, as far as a line of text needs them: numbers, names, calls,
//! `+ - * / ^`, unary minus, comparisons, parentheses. A formula is a flat list in postfix order.

/// A formula in postfix order.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    pub ops: Vec<FormulaOp>,
}

/// One step: pushes a value, or replaces the newest `n_args` values by one.
#[derive(Clone, Debug, PartialEq)]
pub enum FormulaOp {
    Number(f64),
    /// Argument `a`, `b` or `c` of an operation.
    Arg(u8),
    /// The result `y` of an operation.
    Result,
    /// A free variable of a rule.
    Var(String),
    /// A row of the operation table by its name.
    Apply {
        name: String,
        n_args: u8,
    },
}

/// Reads a formula over the arguments `a`, `b`, `c` and the result `y` of an operation.
pub fn parse_formula(text: &str) -> Result<Formula, String> {
    parse(text, |name| match name {
        "a" => Ok(FormulaOp::Arg(0)),
        "b" => Ok(FormulaOp::Arg(1)),
        "c" => Ok(FormulaOp::Arg(2)),
        "y" => Ok(FormulaOp::Result),
        _ => Err(format!("unknown name `{name}`")),
    })
}

/// Reads a formula whose names are all free variables.
pub fn parse_pattern(text: &str) -> Result<Formula, String> {
    parse(text, |name| Ok(FormulaOp::Var(name.to_owned())))
}

/// Deepest nesting of parentheses and calls in a formula.
const MAX_DEPTH: u32 = 200;

fn parse(text: &str, name: impl Fn(&str) -> Result<FormulaOp, String>) -> Result<Formula, String> {
    let mut reader = Reader { rest: text, ops: Vec::new(), name, depth: 0 };
    reader.comparison()?;
    reader.skip_blanks();
    if reader.rest.is_empty() {
        Ok(Formula { ops: reader.ops })
    } else {
        Err(format!("`{}` is left over", reader.rest))
    }
}

struct Reader<'t, F> {
    rest: &'t str,
    ops: Vec<FormulaOp>,
    name: F,
    depth: u32,
}

impl<F: Fn(&str) -> Result<FormulaOp, String>> Reader<'_, F> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes the first of `symbols` that comes next; gives what stands beside it.
    fn take<'s>(&mut self, symbols: &[(&'s str, &'s str)]) -> Option<&'s str> {
        self.skip_blanks();
        let (symbol, op) = symbols.iter().find(|(s, _)| self.rest.starts_with(s))?;
        self.rest = &self.rest[symbol.len()..];
        Some(op)
    }

    fn apply(&mut self, name: &str, n_args: u8) {
        self.ops.push(FormulaOp::Apply { name: name.to_owned(), n_args });
    }

    fn comparison(&mut self) -> Result<(), String> {
        self.sum()?;
        let symbols =
            [("<=", "le"), (">=", "ge"), ("==", "eq"), ("!=", "ne"), ("<", "lt"), (">", "gt")];
        if let Some(op) = self.take(&symbols) {
            self.sum()?;
            self.apply(op, 2);
        }
        Ok(())
    }

    fn sum(&mut self) -> Result<(), String> {
        self.product()?;
        while let Some(op) = self.take(&[("+", "add"), ("-", "sub")]) {
            self.product()?;
            self.apply(op, 2);
        }
        Ok(())
    }

    fn product(&mut self) -> Result<(), String> {
        self.negation()?;
        while let Some(op) = self.take(&[("*", "mul"), ("/", "div")]) {
            self.negation()?;
            self.apply(op, 2);
        }
        Ok(())
    }

    fn negation(&mut self) -> Result<(), String> {
        if self.take(&[("-", "neg")]).is_none() {
            return self.power();
        }
        self.nested(Self::negation)?;
        // A negative number is one constant.
        if let Some(FormulaOp::Number(v)) = self.ops.last_mut() {
            *v = -*v;
        } else {
            self.apply("neg", 1);
        }
        Ok(())
    }

    fn power(&mut self) -> Result<(), String> {
        self.atom()?;
        if self.take(&[("^", "pow")]).is_some() {
            self.nested(Self::negation)?;
            self.apply("pow", 2);
        }
        Ok(())
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<(), String>) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH}"));
        }
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn atom(&mut self) -> Result<(), String> {
        if self.take(&[("(", "")]).is_some() {
            self.nested(Self::comparison)?;
            return self.expect(")");
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let first = self.rest.chars().next().ok_or("the formula ends too early")?;
        if first.is_ascii_digit() {
            let bytes = self.rest.as_bytes();
            let mut end = 0;
            while end < bytes.len()
                && (bytes[end].is_ascii_digit()
                    || bytes[end] == b'.'
                    || bytes[end] == b'e'
                    || bytes[end] == b'-' && bytes[end - 1] == b'e')
            {
                end += 1;
            }
            let (number, rest) = self.rest.split_at(end);
            let value = number.parse().map_err(|_| format!("`{number}` is no number"))?;
            self.rest = rest;
            self.ops.push(FormulaOp::Number(value));
            return Ok(());
        }
        if !is_word(first) {
            return Err(format!("`{first}` does not fit here"));
        }
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let word = word.to_owned();
        self.rest = rest;
        if self.take(&[("(", "")]).is_none() {
            let op = (self.name)(&word)?;
            self.ops.push(op);
            return Ok(());
        }
        let mut n_args = 1;
        self.nested(Self::comparison)?;
        while self.take(&[(",", "")]).is_some() {
            n_args += 1;
            self.nested(Self::comparison)?;
        }
        self.expect(")")?;
        self.apply(&word, n_args);
        Ok(())
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        self.take(&[(symbol, "")]).map(|_| ()).ok_or_else(|| format!("`{symbol}` is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(formula: &Formula) -> String {
        let words: Vec<String> = formula
            .ops
            .iter()
            .map(|op| match op {
                FormulaOp::Number(v) => v.to_string(),
                FormulaOp::Arg(k) => ["a", "b", "c"][*k as usize].to_owned(),
                FormulaOp::Result => "y".to_owned(),
                FormulaOp::Var(v) => v.clone(),
                FormulaOp::Apply { name, n_args } => format!("{name}/{n_args}"),
            })
            .collect();
        words.join(" ")
    }

    #[test]
    fn precedence_is_that_of_the_language() {
        let read = |t: &str| text(&parse_formula(t).unwrap());
        assert_eq!(read("-y / b"), "y neg/1 b div/2");
        assert_eq!(read("a - b * c"), "a b c mul/2 sub/2");
        assert_eq!(read("-a^2"), "a 2 pow/2 neg/1");
        assert_eq!(read("a^-b^2"), "a b 2 pow/2 neg/1 pow/2");
        assert_eq!(read("select(a > b, 1e-3, -2)"), "a b gt/2 0.001 -2 select/3");
    }

    #[test]
    fn mistakes_are_reported() {
        for wrong in ["", "a +", "q", "a b", "sin(a", "1.2.3", "a ? b"] {
            assert!(parse_formula(wrong).is_err(), "{wrong}");
        }
        assert!(parse_pattern(&"(".repeat(100_000)).is_err());
    }
}
