//! Compiles the protos without a system protoc, and turns each method's `access` option into a table.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use prost::Message as _;

const FILES: [&str; 6] = [
    "handoff/conversation/v1/chat.proto",
    "handoff/conversation/v1/conversation.proto",
    "handoff/conversation/v1/directory.proto",
    "handoff/options/v1/options.proto",
    "handoff/settings/v1/settings.proto",
    "handoff/thread/v1/thread.proto",
];

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-changed=handoff");
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo hands its output folder over in the environment"
    )]
    let out = PathBuf::from(std::env::var("OUT_DIR").context("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["."])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(FILES)?;
    let pool = compiler.descriptor_pool();
    let files = compiler.file_descriptor_set();

    std::fs::write(out.join("access.rs"), access_table(&pool)?)?;
    std::fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .bytes(".handoff.bytes")
        .compile_fds(prost_types::FileDescriptorSet::decode(
            files.encode_to_vec().as_slice(),
        )?)?;
    Ok(())
}

/// One row a method: its gRPC path and its `access` option, empty where the proto states nothing.
fn access_table(pool: &prost_reflect::DescriptorPool) -> anyhow::Result<String> {
    let extension = pool
        .get_extension_by_name("handoff.options.v1.access")
        .context("the access option is not declared")?;
    let mut table = String::from("&[\n");
    for service in pool.services() {
        for method in service.methods() {
            let options = method.options();
            let access = options.get_extension(&extension);
            writeln!(
                table,
                "    (\"/{}/{}\", {:?}),",
                service.full_name(),
                method.name(),
                access.as_str().unwrap_or_default()
            )?;
        }
    }
    table.push(']');
    Ok(table)
}
