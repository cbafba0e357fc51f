//! TOML with spans: text in, a tree of `Node`s out, and every mistake on the way.
//!
//! [`base::toml`](crate::base::toml) does the reading. The tree is our own because that of the crate has neither the order of the file nor values
//! that could not be read, which say to those who read on that somebody complained already. Dates, and numbers that are not finite or do not fit,
//! are mistakes here.

mod mistakes;
mod quote;
mod read;
mod tree;

pub(super) use quote::quote;
pub(super) use read::{Document, document, key, value};
pub(super) use tree::{Entry, Node, NodeData, Table};
