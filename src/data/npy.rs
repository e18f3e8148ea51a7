//! NPY, the file of one NumPy array (NumPy Enhancement Proposal 1, versions 1 to 3): booleans,
//! integers and floats of either byte order, up to two dimensions, C or Fortran order.
//!
//! Read here and not by a crate: those known bring a parser generator for the header, and overflow
//! on hostile shapes.

use super::{DataError, Value, shape};
use crate::syntax::Code;

/// What the header says.
struct Header<'a> {
    descr: &'a str,
    is_fortran: bool,
    shape: Vec<u64>,
}

/// Reads an array.
pub fn read(bytes: &[u8]) -> Result<Value, DataError> {
    let bad = |message: &str| DataError::unreadable(message);
    let Some([major, _, rest @ ..]) = bytes.strip_prefix(b"\x93NUMPY") else {
        return Err(bad("it is no NPY file"));
    };
    let (len, rest) = match (major, rest) {
        (1, [a, b, rest @ ..]) => (u32::from(u16::from_le_bytes([*a, *b])), rest),
        (2 | 3, [a, b, c, d, rest @ ..]) => (u32::from_le_bytes([*a, *b, *c, *d]), rest),
        (1..=3, _) => return Err(bad("it ends inside the header")),
        _ => return Err(bad("the version of the NPY file is unknown")),
    };
    let Some((header, data)) = rest.split_at_checked(len as usize) else {
        return Err(bad("it ends inside the header"));
    };
    let header = std::str::from_utf8(header).ok().and_then(parse_header);
    let header = header.ok_or_else(|| bad("the header cannot be read"))?;
    let (n_rows, n_cols) = match header.shape[..] {
        [] => (1, 1),
        [n] => (n, 1),
        [n_rows, n_cols] => (n_rows, n_cols),
        _ => {
            let message = format!("the array has {} dimensions, not two", header.shape.len());
            return Err(bad(&message));
        }
    };
    let pattern = shape(n_rows, n_cols)?;
    let number = element(header.descr).ok_or_else(|| {
        DataError::new(
            Code::UnreadableData,
            format!("the elements have the type `{}`, which is no real number", header.descr),
        )
    })?;
    let (size, number) = number;
    let numel = pattern.numel();
    if data.len() / size < numel {
        let message = format!("the data ends after {} of {numel} elements", data.len() / size);
        return Err(bad(&message));
    }
    let stored = |k: usize| number(&data[k * size..(k + 1) * size]);
    let (n_rows, n_cols) = pattern.shape();
    let values = if header.is_fortran || n_cols <= 1 || n_rows <= 1 {
        (0..numel).map(stored).collect()
    } else {
        (0..n_cols).flat_map(|j| (0..n_rows).map(move |i| stored(i * n_cols + j))).collect()
    };
    let is_list = header.shape.len() == 1;
    Ok(Value { pattern, values, is_list, is_sparse: false })
}

/// Bytes of an element, and the number in them.
type Element = (usize, fn(&[u8]) -> f64);

/// The element of a type such as `<f8`.
fn element(descr: &str) -> Option<Element> {
    macro_rules! number {
        ($type:ty, $from:ident) => {
            (size_of::<$type>(), |bytes: &[u8]| {
                bytes.try_into().map_or(f64::NAN, |bytes| <$type>::$from(bytes) as f64)
            })
        };
    }
    let (order, kind) = descr.split_at_checked(1)?;
    Some(match (order, kind) {
        ("|", "b1" | "u1") => number!(u8, from_le_bytes),
        ("|", "i1") => number!(i8, from_le_bytes),
        ("<", "f8") => number!(f64, from_le_bytes),
        (">", "f8") => number!(f64, from_be_bytes),
        ("<", "f4") => number!(f32, from_le_bytes),
        (">", "f4") => number!(f32, from_be_bytes),
        ("<", "i8") => number!(i64, from_le_bytes),
        (">", "i8") => number!(i64, from_be_bytes),
        ("<", "i4") => number!(i32, from_le_bytes),
        (">", "i4") => number!(i32, from_be_bytes),
        ("<", "i2") => number!(i16, from_le_bytes),
        (">", "i2") => number!(i16, from_be_bytes),
        ("<", "u8") => number!(u64, from_le_bytes),
        (">", "u8") => number!(u64, from_be_bytes),
        ("<", "u4") => number!(u32, from_le_bytes),
        (">", "u4") => number!(u32, from_be_bytes),
        ("<", "u2") => number!(u16, from_le_bytes),
        (">", "u2") => number!(u16, from_be_bytes),
        _ => return None,
    })
}

/// `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`
fn parse_header(text: &str) -> Option<Header<'_>> {
    let after = |key: &str| {
        let at = text.find(&format!("'{key}'"))? + key.len() + 2;
        text.get(at..)?.trim_start().strip_prefix(':').map(str::trim_start)
    };
    let descr = after("descr")?.strip_prefix('\'')?.split_once('\'')?.0;
    let order = after("fortran_order")?;
    let is_fortran = match (order.starts_with("True"), order.starts_with("False")) {
        (true, _) => true,
        (_, true) => false,
        _ => return None,
    };
    let shape = after("shape")?.strip_prefix('(')?.split_once(')')?.0;
    let dims = shape.split(',').map(str::trim).filter(|dim| !dim.is_empty());
    let shape = dims.map(|dim| dim.parse().ok()).collect::<Option<Vec<u64>>>()?;
    Some(Header { descr, is_fortran, shape })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn header(descr: &str, order: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}  \n")
    }

    #[test]
    fn types_orders_and_shapes() {
        let floats: Vec<u8> =
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0_f64].iter().flat_map(|v| v.to_le_bytes()).collect();
        let c = read(&file(&header("<f8", "False", "(2, 3)"), &floats)).unwrap();
        assert_eq!(
            (c.pattern.shape(), &c.values[..]),
            ((2, 3), &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0][..])
        );
        let fortran = read(&file(&header("<f8", "True", "(2, 3)"), &floats)).unwrap();
        assert_eq!(fortran.values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let list = read(&file(&header("<f8", "False", "(6,)"), &floats)).unwrap();
        assert!(list.is_list);
        let big = read(&file(&header(">i2", "False", "(2,)"), &[0, 1, 255, 254])).unwrap();
        assert_eq!(big.values, [1.0, -2.0]);
        let scalar = read(&file(&header("|b1", "False", "()"), &[1])).unwrap();
        assert_eq!((scalar.pattern.shape(), &scalar.values[..]), ((1, 1), &[1.0][..]));
    }

    #[test]
    fn mistakes_are_told() {
        let message = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert_eq!(message(b"hello"), "it is no NPY file");
        assert_eq!(message(b"\x93NUMPY\x01\x00\xff"), "it ends inside the header");
        let short = file(&header("<f8", "False", "(2,)"), &[0; 15]);
        assert_eq!(message(&short), "the data ends after 1 of 2 elements");
        let complex = file(&header("<c16", "False", "(2,)"), &[0; 32]);
        assert!(message(&complex).contains("`<c16`"));
        let cube = file(&header("<f8", "False", "(2, 2, 2)"), &[0; 64]);
        assert_eq!(message(&cube), "the array has 3 dimensions, not two");
        let huge = file(&header("<f8", "False", "(18446744073709551615, 99)"), &[]);
        assert!(read(&huge).is_err());
    }
}
