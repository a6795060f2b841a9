//! The system seen from outside: what its public faces promise, and what a request costs.

pub mod bench;
pub mod caller;
pub mod feed;
pub mod process;
pub mod stores;
pub mod system;
pub mod wait;
pub mod wire;

pub use caller::{Ask, Caller, Reply};
pub use system::{CHATBOT, Role, Shape, System};
pub use wait::{until, within};
