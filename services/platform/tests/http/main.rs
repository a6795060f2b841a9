//! The accept loop against peers that behave, peers that do not, and peers that do nothing, over real sockets.
//!
//! Every limit that a test does not shorten is a minute, so only the deadline it is about can close its connection
//! within the test's patience.

mod bodies;
mod grpc;
mod heads;
mod serving;
mod support;
