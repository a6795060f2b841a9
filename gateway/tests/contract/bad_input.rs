//! What is wrong with a request is told as documented, on every route: the routes and their members are taken from the
//! description, so that a new one is covered without being listed here.

mod bodies;
mod description;
mod routes;
