//! How many nonzeros a pattern may have: a limit of this library, and one that users set for what
//! their computers hold.

use std::cell::Cell;

use super::{MAX_NUMEL, PatternError};

thread_local! {
    static MOST: Cell<u64> = const { Cell::new(MAX_NUMEL) };
}

/// Bytes of a nonzero of a derivative: its value and its row.
pub(crate) const BYTES_OF_NONZERO: u64 = 12;

/// What `make` gives where patterns of derivatives made on this thread may have at most `most`
/// nonzeros; larger ones give [`PatternError::TooLarge`].
pub(crate) fn with_most_nonzeros<T>(most: u64, make: impl FnOnce() -> T) -> T {
    struct Restore(u64);
    impl Drop for Restore {
        fn drop(&mut self) {
            MOST.set(self.0);
        }
    }
    let _restore = Restore(MOST.replace(most.min(MAX_NUMEL)));
    make()
}

/// The limit of this thread, for those that it starts.
pub(crate) fn most_nonzeros() -> u64 {
    MOST.get()
}

/// Refuses a derivative of that shape with more than the most nonzeros.
pub(crate) fn check_nonzeros(nnz: u64, n_rows: usize, n_cols: usize) -> Result<(), PatternError> {
    let limit = MOST.get();
    if nnz <= limit {
        return Ok(());
    }
    Err(PatternError::TooLarge { n_rows: n_rows as u64, n_cols: n_cols as u64, limit })
}
