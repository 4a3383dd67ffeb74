//! Throw-away tests of a review, one file a hole.

mod held;
