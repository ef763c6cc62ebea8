//! Prints the JSON Schema of the configuration file; `cargo xtask schemas` keeps it in `schemas/`.

fn main() -> Result<(), serde_json::Error> {
    println!("{}", serde_json::to_string_pretty(simpleclaw_gateway::config::schema())?);
    Ok(())
}
