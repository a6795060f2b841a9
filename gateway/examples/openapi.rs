//! Prints the OpenAPI description: `cargo run -p gateway --example openapi > gateway/openapi.json`.

fn main() {
    print!("{}", gateway::document());
}
