//! What the linker, which compiles for the BPF target, has to know.

use std::env;

fn main() {
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "bpf") {
        // Setting and copying memory as instructions in place. Else bpf-linker has LLVM leave
        // setting to a function that goes byte by byte: a seventh of what an event took.
        println!("cargo:rustc-link-arg-bins=--disable-expand-memcpy-in-order");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
