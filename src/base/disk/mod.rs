//! Files as the engine needs them: opened only where they are files, named so that they outlive a power loss, locked, digested.

pub(crate) mod crash;
pub(crate) mod digest;
pub(crate) mod durable;
pub(crate) mod locks;
pub(crate) mod no_room;
pub(crate) mod regular;
