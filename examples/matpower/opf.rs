//! From MATPOWER tables to per-unit arrays: what is switched off is dropped, buses are numbered
//! as they stand in the file, bounds are cleaned up as PowerModels does.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::case::{Case, Mistake, Row};

// Columns of the tables, see `caseformat` of MATPOWER.
mod bus {
    pub const ID: usize = 0;
    pub const TYPE: usize = 1;
    pub const PD: usize = 2;
    pub const QD: usize = 3;
    pub const GS: usize = 4;
    pub const BS: usize = 5;
    pub const VMAX: usize = 11;
    pub const VMIN: usize = 12;
    pub const N_COLUMNS: usize = 13;
    pub const REFERENCE: f64 = 3.0;
    pub const ISOLATED: f64 = 4.0;
}

mod generator {
    pub const BUS: usize = 0;
    pub const QMAX: usize = 3;
    pub const QMIN: usize = 4;
    pub const STATUS: usize = 7;
    pub const PMAX: usize = 8;
    pub const PMIN: usize = 9;
    pub const N_COLUMNS: usize = 10;
}

mod cost {
    pub const MODEL: usize = 0;
    pub const N: usize = 3;
    pub const FIRST: usize = 4;
    pub const POLYNOMIAL: f64 = 2.0;
}

mod branch {
    pub const FROM: usize = 0;
    pub const TO: usize = 1;
    pub const R: usize = 2;
    pub const X: usize = 3;
    pub const CHARGING: usize = 4;
    pub const RATE: usize = 5;
    pub const TAP: usize = 8;
    pub const SHIFT: usize = 9;
    pub const STATUS: usize = 10;
    pub const ANGMIN: usize = 11;
    pub const ANGMAX: usize = 12;
    pub const N_COLUMNS: usize = 13;
}

/// The data of `acopf.nab` as JSON, an array a line.
///
/// # Errors
/// A table is missing or misshapen, or says what the model does not have.
pub fn data(case: &Case) -> Result<String, Mistake> {
    let base = case.number("baseMVA")?;
    if case.table("dcline").is_some_and(|table| !table.rows.is_empty()) {
        let line = case.table("dcline").map_or(0, |table| table.line);
        return Err(Mistake::new(line, "the model has no direct-current lines"));
    }
    let mut data = Map::new();
    let buses = buses(case, base, &mut data)?;
    generators(case, base, &buses, &mut data)?;
    branches(case, base, &buses, &mut data)?;
    let lines: Vec<String> = data.iter().map(|(k, v)| format!("  \"{k}\": {v}")).collect();
    Ok(format!("{{\n{}\n}}", lines.join(",\n")))
}

/// Buses by their names in the file.
struct Buses {
    /// The number of a bus; none for those that are isolated.
    numbers: HashMap<u64, Option<usize>>,
    vmax: Vec<f64>,
}

impl Buses {
    /// The number of the bus in a column, if it is not isolated.
    fn at(&self, row: &Row, column: usize) -> Result<Option<usize>, Mistake> {
        let id = row.integer(column, "the bus")?;
        let unknown = || Mistake::new(row.line, format!("there is no bus {id}"));
        self.numbers.get(&id).copied().ok_or_else(unknown)
    }
}

fn buses(case: &Case, base: f64, data: &mut Map<String, Value>) -> Result<Buses, Mistake> {
    let mut numbers = HashMap::new();
    let mut kept: Vec<&Row> = Vec::new();
    for row in case.rows("bus", bus::N_COLUMNS)? {
        let isolated = row.values[bus::TYPE] == bus::ISOLATED;
        let id = row.integer(bus::ID, "the bus")?;
        if numbers.insert(id, (!isolated).then_some(kept.len())).is_some() {
            return Err(Mistake::new(row.line, format!("bus {id} stands here again")));
        }
        if !isolated {
            kept.push(row);
        }
    }
    let column =
        |c: usize, scale: f64| Vec::from_iter(kept.iter().map(|row| row.values[c] / scale));
    let where_ =
        |is: &dyn Fn(&Row) -> bool| Vec::from_iter((0..kept.len()).filter(|&k| is(kept[k])));
    let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
    put("ref_bus", json!(where_(&|row| row.values[bus::TYPE] == bus::REFERENCE)));
    for (list, values, c) in [("gs_bus", "gs", bus::GS), ("bs_bus", "bs", bus::BS)] {
        let shunts = where_(&|row| row.values[c] != 0.0);
        let all = column(c, base);
        put(values, shunts.iter().map(|&k| all[k]).collect());
        put(list, json!(shunts));
    }
    put("pd", json!(column(bus::PD, base)));
    put("qd", json!(column(bus::QD, base)));
    put("vmin", numbers_of(column(bus::VMIN, 1.0)));
    let vmax = column(bus::VMAX, 1.0);
    put("vmax", numbers_of(vmax.clone()));
    Ok(Buses { numbers, vmax })
}

fn generators(
    case: &Case,
    base: f64,
    buses: &Buses,
    data: &mut Map<String, Value>,
) -> Result<(), Mistake> {
    let rows = case.rows("gen", generator::N_COLUMNS)?;
    let costs = case.rows("gencost", cost::FIRST)?;
    if rows.len() != costs.len() {
        let line = costs.first().map_or(0, |row| row.line);
        let message = format!("mpc.gencost has {} rows for {} generators", costs.len(), rows.len());
        return Err(Mistake::new(line, message));
    }
    let mut kept: Vec<&Row> = Vec::new();
    let mut at = Vec::new();
    let mut coefficients = Vec::new();
    for (row, cost) in rows.iter().zip(costs) {
        let bus = buses.at(row, generator::BUS)?;
        if let (Some(bus), true) = (bus, row.values[generator::STATUS] > 0.0) {
            kept.push(row);
            at.push(bus);
            coefficients.push(quadratic(cost)?);
        }
    }
    let column = |c: usize| numbers_of(kept.iter().map(|row| row.values[c] / base).collect());
    let quad_gen: Vec<usize> = (0..kept.len()).filter(|&k| coefficients[k][2] != 0.0).collect();
    let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
    put("gen_bus", json!(at));
    put("pmin", column(generator::PMIN));
    put("pmax", column(generator::PMAX));
    put("qmin", column(generator::QMIN));
    put("qmax", column(generator::QMAX));
    put("c2", quad_gen.iter().map(|&k| coefficients[k][2] * (base * base)).collect());
    put("quad_gen", json!(quad_gen));
    put("c1", coefficients.iter().map(|c| c[1] * base).collect());
    put("c0", coefficients.iter().map(|c| c[0]).collect());
    Ok(())
}

/// The coefficients of a cost that is a polynomial of degree 2 at most, the constant one first.
fn quadratic(row: &Row) -> Result<[f64; 3], Mistake> {
    if row.values[cost::MODEL] != cost::POLYNOMIAL {
        return Err(Mistake::new(row.line, "the cost is no polynomial (its model is not 2)"));
    }
    let n = row.integer(cost::N, "the number of coefficients")? as usize;
    let given = row.values[cost::FIRST..].get(..n).ok_or_else(|| {
        let message =
            format!("the cost has {} of {n} coefficients", row.values.len() - cost::FIRST);
        Mistake::new(row.line, message)
    })?;
    let mut coefficients = [0.0; 3];
    for (power, &value) in given.iter().rev().enumerate() {
        match coefficients.get_mut(power) {
            Some(coefficient) => *coefficient = value,
            None if value == 0.0 => {}
            None => {
                let message = format!("the cost has degree {power}, the model 2 at most");
                return Err(Mistake::new(row.line, message));
            }
        }
    }
    Ok(coefficients)
}

fn branches(
    case: &Case,
    base: f64,
    buses: &Buses,
    data: &mut Map<String, Value>,
) -> Result<(), Mistake> {
    const NAMES: [&str; 11] = [
        "g_ff", "b_ff", "g_ft", "b_ft", "g_tf", "b_tf", "g_tt", "b_tt", "rate", "angmin", "angmax",
    ];
    let mut columns: [Vec<f64>; 11] = Default::default();
    let (mut from, mut to) = (Vec::new(), Vec::new());
    for row in case.rows("branch", branch::N_COLUMNS)? {
        let ends = (buses.at(row, branch::FROM)?, buses.at(row, branch::TO)?);
        let (Some(f), Some(t)) = ends else { continue };
        if row.values[branch::STATUS] <= 0.0 {
            continue;
        }
        from.push(f);
        to.push(t);
        let [angmin, angmax] = angle_bounds(row);
        let rate = match row.values[branch::RATE] / base {
            rate if rate > 0.0 => rate,
            _ => largest_flow(row, buses.vmax[f], buses.vmax[t], angmin.abs().max(angmax.abs())),
        };
        let values = admittances(row)?.into_iter().chain([rate, angmin, angmax]);
        columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
    }
    data.insert("f_bus".into(), json!(from));
    data.insert("t_bus".into(), json!(to));
    data.extend(NAMES.iter().zip(columns).map(|(&name, c)| (name.to_owned(), numbers_of(c))));
    Ok(())
}

/// [g_ff, b_ff, g_ft, b_ft, g_tf, b_tf, g_tt, b_tt] of a line, or a transformer of ratio
/// tap e^(j shift) at its begin.
fn admittances(row: &Row) -> Result<[f64; 8], Mistake> {
    let value = |column: usize| row.values[column];
    let (r, x, charging) = (value(branch::R), value(branch::X), value(branch::CHARGING) / 2.0);
    let squared = r * r + x * x;
    if squared == 0.0 {
        return Err(Mistake::new(row.line, "the branch has no impedance"));
    }
    let (g, b) = (r / squared, -x / squared);
    let tap = if value(branch::TAP) == 0.0 { 1.0 } else { value(branch::TAP) };
    let (sin, cos) = value(branch::SHIFT).to_radians().sin_cos();
    let (tr, ti) = (tap * cos, tap * sin);
    let tm = tr * tr + ti * ti;
    Ok([
        g / tm,
        (b + charging) / tm,
        (-g * tr + b * ti) / tm,
        (-b * tr - g * ti) / tm,
        (-g * tr - b * ti) / tm,
        (-b * tr + g * ti) / tm,
        g,
        b + charging,
    ])
}

/// Bounds of the difference of angles in radians: 60 degrees where there are none.
fn angle_bounds(row: &Row) -> [f64; 2] {
    let (lo, hi) = (row.values[branch::ANGMIN], row.values[branch::ANGMAX]);
    let none = lo == 0.0 && hi == 0.0;
    let lo = if lo <= -90.0 || none { -60.0 } else { lo };
    let hi = if hi >= 90.0 || none { 60.0 } else { hi };
    [lo.to_radians(), hi.to_radians()]
}

/// The flow that the bounds of voltages allow, for branches without a rate.
fn largest_flow(row: &Row, vf: f64, vt: f64, angle: f64) -> f64 {
    let impedance = row.values[branch::R].hypot(row.values[branch::X]);
    let difference = (vf * vf + vt * vt - 2.0 * vf * vt * angle.cos()).sqrt();
    vf.max(vt) * difference / impedance
}

/// Numbers that may be infinite, which JSON lacks.
fn numbers_of(values: Vec<f64>) -> Value {
    let number = |v: f64| if v.is_finite() { json!(v) } else { json!(v.to_string()) };
    values.into_iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUS: &str = "mpc.bus = [\n1 3 50 20 0 -1 1 1 0 1 1 1.1 0.9\n7 4 0 0 0 0 1 1 0 1 1 1 1\n\
                       5 1 0 0 2 0 1 1 0 1 1 1.1 0.9];\n";
    const GEN: &str = "mpc.gen = [1 0 0 Inf -10 1 1 1 90 0\n5 0 0 1 1 1 1 0 1 1];\n";
    const COST: &str = "mpc.gencost = [2 0 0 4 0 3 2 1\n2 0 0 1 7];\n";
    const BRANCH: &str = "mpc.branch = [5 1 0 0.5 0.2 0 0 0 2 90 1 -360 30\n\
                          1 7 0 1 0 0 0 0 0 0 1 0 0\n1 5 0 1 0 0 0 0 0 0 0 0 0];";

    fn converted(text: &str) -> Result<Value, String> {
        let text = format!("mpc.baseMVA = 10;\n{text}");
        let case = Case::parse(&text).map_err(|m| m.to_string())?;
        let data = data(&case).map_err(|m| m.to_string())?;
        Ok(serde_json::from_str(&data).unwrap())
    }

    #[test]
    fn what_is_off_is_dropped() {
        let data = converted(&[BUS, GEN, COST, BRANCH].concat()).unwrap();
        assert_eq!(data["pd"], json!([5.0, 0.0]));
        assert_eq!((&data["ref_bus"], &data["f_bus"]), (&json!([0]), &json!([1])));
        assert_eq!((&data["gs_bus"], &data["gs"]), (&json!([1]), &json!([0.2])));
        assert_eq!((&data["bs_bus"], &data["bs"]), (&json!([0]), &json!([-0.1])));
        assert_eq!((&data["qmax"], &data["qmin"]), (&json!(["inf"]), &json!([-1.0])));
        assert_eq!((&data["c2"], &data["c1"]), (&json!([300.0]), &json!([20.0])));
        let close = |name: &str, value: f64| {
            let found = data[name][0].as_f64().unwrap();
            assert!((found - value).abs() < 1e-12, "{name}: {found} and {value}");
        };
        // 1/(0.5j) = -2j, behind a transformer of ratio 2j.
        for (name, value) in [("b_ff", -1.9 / 4.0), ("g_ft", -1.0), ("b_ft", 0.0)] {
            close(name, value);
        }
        for (name, value) in [("g_tf", 1.0), ("b_tf", 0.0), ("b_tt", -1.9)] {
            close(name, value);
        }
        close("angmin", -std::f64::consts::FRAC_PI_3);
        close("angmax", std::f64::consts::FRAC_PI_6);
        close("rate", 2.2 * 1.1);
    }

    #[test]
    fn mistakes_have_lines() {
        let message = |text: &str| converted(text).unwrap_err();
        let changed =
            |from: &str, to: &str| message(&[BUS, GEN, COST, BRANCH].concat().replace(from, to));
        assert_eq!(message(BUS), "line 5: the file has no mpc.gen");
        assert_eq!(changed("5 0 0", "6 0 0"), "line 7: there is no bus 6");
        assert_eq!(changed("7 4 0", "1 4 0"), "line 4: bus 1 stands here again");
        assert_eq!(
            changed("5 1 0 0.5", "5 1.5 0 0.5"),
            "line 10: the bus is 1.5, expected an integer"
        );
        assert_eq!(changed("0 0.5", "0 0"), "line 10: the branch has no impedance");
        assert_eq!(changed("\n2 0 0 1 7", ""), "line 8: mpc.gencost has 1 rows for 2 generators");
        assert_eq!(changed("4 0 3", "4 1 3"), "line 8: the cost has degree 3, the model 2 at most");
        assert_eq!(changed("0 4 0", "0 5 0"), "line 8: the cost has 4 of 5 coefficients");
        let model = "line 8: the cost is no polynomial (its model is not 2)";
        assert_eq!(changed("[2 0 0 4", "[1 0 0 4"), model);
    }
}
