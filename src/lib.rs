//! nablac
