//! Messages are compared with bytes, in whatever form these come.

use super::{Joined, Message};

/// Both ways, for a type that lends its bytes as [`AsRef`].
macro_rules! compare_with_bytes {
    ($message:ty) => {
        compare_with_bytes!($message: [u8], &[u8], Vec<u8>);
        compare_with_bytes!(N $message: [u8; N], &[u8; N]);
    };
    ($message:ty: $($bytes:ty),+) => {$(
        impl PartialEq<$bytes> for $message {
            fn eq(&self, bytes: &$bytes) -> bool {
                AsRef::<[u8]>::as_ref(self) == &bytes[..]
            }
        }

        impl PartialEq<$message> for $bytes {
            fn eq(&self, message: &$message) -> bool {
                message == self
            }
        }
    )+};
    (N $message:ty: $($bytes:ty),+) => {$(
        impl<const N: usize> PartialEq<$bytes> for $message {
            fn eq(&self, bytes: &$bytes) -> bool {
                AsRef::<[u8]>::as_ref(self) == &bytes[..]
            }
        }

        impl<const N: usize> PartialEq<$message> for $bytes {
            fn eq(&self, message: &$message) -> bool {
                message == self
            }
        }
    )+};
}
pub(crate) use compare_with_bytes;

compare_with_bytes!(Message<'_>);
compare_with_bytes!(Joined<'_>);
