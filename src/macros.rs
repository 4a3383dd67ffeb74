//! Replacements for `derive`: a `Debug` that shows only some members, and a `Clone` without bounds on type
//! parameters.

/// Implements `Debug` with the members in the braces. Other members never reach a log.
macro_rules! redacted_debug {
    (
        $(<$($parameter:ident $(: $bound:path)?),+>)?
        $type:ident $(<$($argument:tt),+>)? $({ $($member:ident),* $(,)? })?
    ) => {
        impl $(<$($parameter $(: $bound)?),+>)? ::std::fmt::Debug for $type $(<$($argument),+>)? {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct(stringify!($type))
                    $($(.field(stringify!($member), &self.$member))*)?
                    .finish_non_exhaustive()
            }
        }
    };
}

/// Implements `Clone` by cloning the members in the braces. `derive` would require `Clone` of each type
/// parameter, also of the claims.
macro_rules! clone_without_bounds {
    (
        <$($parameter:ident $(: $bound:path)?),+>
        $type:ident<$($argument:ident),+> { $($member:ident),+ $(,)? }
    ) => {
        impl<$($parameter $(: $bound)?),+> Clone for $type<$($argument),+> {
            fn clone(&self) -> Self {
                Self {
                    $($member: self.$member.clone()),+
                }
            }
        }
    };
}

pub(crate) use {clone_without_bounds, redacted_debug};
