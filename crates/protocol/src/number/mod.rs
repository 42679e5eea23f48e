//! Numbers from and to text exactly as Redis 7.0 has them, since clients see the digits.
//!
//! - [`integer`]: 64-bit integers, strictly read.
//! - [`double`]: scores and other 64-bit floats.
//! - [`long_double`]: the 80-bit arithmetic behind INCRBYFLOAT and HINCRBYFLOAT.

mod big;
pub mod double;
mod hex_float;
pub mod integer;
pub mod long_double;
mod text;

pub use double::{format_double, format_double_shortest, parse_f64};
pub use integer::parse_i64;
pub use long_double::{LongDouble, format_double_human, parse_long_double};
pub use text::NumberText;
