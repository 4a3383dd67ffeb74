//! What `derive` cannot do: a `Debug` that shows some members and no others, and a `Clone` that asks
//! nothing of a type parameter of which there is no value.

/// Implements `Debug` with the members in the braces. What is not named there stays out of logs.
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

/// Implements `Clone` by cloning the members in the braces. `derive` would ask each type parameter to
/// be `Clone`, that of the claims too.
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
