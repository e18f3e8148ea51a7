//! Where the nonzeros of a value are while a kernel is made.

use std::sync::Arc;

use super::ir::{Affine, Base, Val};
use crate::graph::{Origin, Window};
use crate::sparsity::IndexMap;

/// The nonzeros of a value.
#[derive(Clone, Debug)]
pub enum Place {
    /// One SSA value for each nonzero.
    Values(Arc<[Val]>),
    /// One SSA value for all nonzeros.
    Same(Val),
    /// One constant for all nonzeros.
    Uniform(f64),
    /// In memory. Boxed, since most places are SSA values.
    View(Box<View>),
}

impl Place {
    pub fn view(view: View) -> Place {
        Place::View(Box::new(view))
    }
}

/// Nonzeros in memory: nonzero `k` is element `select(k)` of what `elements` describes.
#[derive(Clone, Debug)]
pub struct View {
    pub base: Base,
    /// Address of element 0.
    pub index: Affine,
    /// Table entries to be added to the address.
    pub tables: Vec<(Arc<[u32]>, Affine)>,
    pub elements: Elements,
    pub select: IndexMap,
}

/// How the elements of a view lie.
#[derive(Clone, Debug)]
pub enum Elements {
    /// Element `e` is `e * stride` behind element 0.
    Stride(i64),
    /// Element `e` is `table[start + e]` behind element 0.
    Table { table: Arc<[u32]>, start: Affine },
}

impl View {
    /// `len` consecutive numbers.
    pub fn contiguous(base: Base, offset: usize, len: usize) -> View {
        View {
            base,
            index: Affine { offset: offset as i64, terms: Vec::new() },
            tables: Vec::new(),
            elements: Elements::Stride(1),
            select: IndexMap::identity(len),
        }
    }

    /// Number of nonzeros.
    pub fn len(&self) -> usize {
        self.select.len()
    }

    /// Nonzero `k` of the result is nonzero `map(k)` of this.
    pub fn gather(&self, map: &IndexMap) -> View {
        View { select: map.compose(&self.select), ..self.clone() }
    }

    /// The nonzeros follow one another in memory.
    pub fn is_contiguous(&self) -> bool {
        let IndexMap::Affine(a) = &self.select else { return false };
        match self.elements {
            Elements::Stride(s) => {
                self.len() <= 1 || a.dims[1].0 == 1 && i64::from(a.dims[0].1) * s == 1
            }
            Elements::Table { .. } => self.len() <= 1,
        }
    }

    /// Contiguous, and element after element by its index alone.
    pub fn is_block(&self) -> bool {
        self.is_contiguous()
            && self.tables.is_empty()
            && matches!(self.elements, Elements::Stride(_))
    }

    /// Whether two views are the same contiguous memory.
    pub fn is_same_block(&self, other: &View) -> bool {
        self.is_block()
            && other.is_block()
            && self.base == other.base
            && self.index.terms == other.index.terms
            && self.len() == other.len()
            && self.first_address() == other.first_address()
    }

    /// Of a block, without the terms of the index.
    fn first_address(&self) -> i64 {
        let first = if self.select.is_empty() { 0 } else { self.select.get(0) as i64 };
        match self.elements {
            Elements::Stride(s) => self.index.offset + s * first,
            Elements::Table { .. } => self.index.offset,
        }
    }

    /// The same addresses in all iterations of the loops around.
    pub fn is_fixed(&self) -> bool {
        let start = match &self.elements {
            Elements::Stride(_) => true,
            Elements::Table { start, .. } => start.terms.is_empty(),
        };
        start && self.index.terms.is_empty() && self.tables.is_empty()
    }

    /// Address of nonzero `k` of a view that is fixed.
    pub fn fixed_address(&self, k: usize) -> Option<i64> {
        let element = self.select.get(k) as i64;
        let at = match &self.elements {
            Elements::Stride(s) => s * element,
            Elements::Table { table, start } => {
                i64::from(*table.get(usize::try_from(start.offset + element).ok()?)?)
            }
        };
        Some(self.index.offset + at)
    }

    /// What an iteration of a loop sees through a window; `None` if that cannot be
    /// addressed in place.
    pub fn window(&self, window: &Window, iteration: &Affine) -> Option<View> {
        let mut view = self.clone();
        let step = match &window.origin {
            Origin::Affine { base, step } => {
                let mut origin = Affine { offset: *base, terms: Vec::new() };
                add_scaled(&mut origin, iteration, *step);
                origin
            }
            Origin::Table(table) => return self.table_window(table, &window.map, iteration),
        };
        match (&self.elements, one_counter(&self.select)) {
            // Elements start + stride * k: the origin moves the address itself.
            (Elements::Stride(s), Some((start, stride))) => {
                add_scaled(&mut view.index, &step, s * stride);
                view.index.offset += s * start;
                view.elements = Elements::Stride(s * stride);
                view.select = window.map.clone();
                Some(view)
            }
            (Elements::Stride(s), None) => {
                if let Some(view) = self.nested_window(window, iteration, *s) {
                    return Some(view);
                }
                // Any other selection becomes a table of its own.
                let table: Vec<u32> = self
                    .select
                    .iter()
                    .map(|e| u32::try_from(e as i64 * s).ok())
                    .collect::<Option<_>>()?;
                view.elements = Elements::Table { table: table.into(), start: step };
                view.select = window.map.clone();
                Some(view)
            }
            (Elements::Table { table, start }, one) => {
                let fixed = start.terms.is_empty().then_some(start.offset);
                match (fixed, one) {
                    (_, Some((first, 1))) => {
                        let mut moved = start.clone();
                        moved.offset += first;
                        add_scaled(&mut moved, &step, 1);
                        view.elements = Elements::Table { table: table.clone(), start: moved };
                    }
                    (Some(offset), _) => {
                        let direct: Vec<u32> = self
                            .select
                            .iter()
                            .map(|e| table.get((e as i64 + offset) as usize).copied())
                            .collect::<Option<_>>()?;
                        view.elements = Elements::Table { table: direct.into(), start: step };
                    }
                    _ => return None,
                }
                view.select = window.map.clone();
                Some(view)
            }
        }
    }

    /// Windows that are whole runs of the faster counters of a selection over two counters: the
    /// origin moves the slowest one.
    fn nested_window(&self, window: &Window, iteration: &Affine, s: i64) -> Option<View> {
        let IndexMap::Affine(a) = &self.select else { return None };
        let Origin::Affine { base, step } = window.origin else { return None };
        let last = (0..3).rev().find(|&d| a.dims[d].0 != 1)?;
        let run: i64 = a.dims[..last].iter().map(|d| i64::from(d.0)).product();
        if window.map.len() as i64 > run
            || window.map.iter().any(|k| k as i64 >= run)
            || base % run != 0
            || step % run != 0
        {
            return None;
        }
        let slow = i64::from(a.dims[last].1) * s;
        let mut view = self.clone();
        view.index.offset += base / run * slow;
        add_scaled(&mut view.index, iteration, step / run * slow);
        let mut fast = *a;
        fast.dims[last] = (1, 0);
        view.select = window.map.compose(&IndexMap::Affine(fast));
        Some(view)
    }

    fn table_window(
        &self,
        origins: &Arc<[u32]>,
        map: &IndexMap,
        iteration: &Affine,
    ) -> Option<View> {
        let Elements::Stride(s) = self.elements else { return None };
        let (start, stride) = one_counter(&self.select)?;
        let scaled: Vec<u32> = origins
            .iter()
            .map(|&o| u32::try_from(i64::from(o) * s * stride).ok())
            .collect::<Option<_>>()?;
        let mut view = self.clone();
        view.index.offset += s * start;
        view.tables.push((scaled.into(), iteration.clone()));
        view.elements = Elements::Stride(s * stride);
        view.select = map.clone();
        Some(view)
    }
}

/// Start and stride of a selection over one counter.
fn one_counter(select: &IndexMap) -> Option<(i64, i64)> {
    match select {
        IndexMap::Affine(a) if a.dims[1].0 == 1 => {
            Some((i64::from(a.start), i64::from(a.dims[0].1)))
        }
        _ => None,
    }
}

/// `to += factor * from`.
pub fn add_scaled(to: &mut Affine, from: &Affine, factor: i64) {
    to.offset += factor * from.offset;
    for &(counter, stride) in &from.terms {
        match to.terms.iter_mut().find(|t| t.0 == counter) {
            Some(term) => term.1 += factor * stride,
            None => to.terms.push((counter, factor * stride)),
        }
    }
    to.terms.retain(|t| t.1 != 0);
}
