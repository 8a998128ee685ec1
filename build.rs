//! Links the unwinder's static half where the C compiler has it, as every gcc does. The shared half would be one library
//! more to load: a sixth of the time that a short command takes.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let gnu = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|libc| libc == "gnu");
    let native = env::var("HOST").ok() == env::var("TARGET").ok();
    if !gnu || !native || !compiler_has("libgcc_eh.a") {
        return;
    }
    let Some(out) = env::var_os("OUT_DIR") else { return };
    // The linker looks here first, and takes a script for the library that the standard library asks for.
    if fs::write(Path::new(&out).join("libgcc_s.so"), "INPUT(-lgcc_eh)\n").is_ok() {
        println!("cargo:rustc-link-search=native={}", Path::new(&out).display());
    }
}

fn compiler_has(library: &str) -> bool {
    let found = Command::new("cc").arg(format!("-print-file-name={library}")).output();
    // It prints the bare name of what it does not find.
    found.is_ok_and(|found| Path::new(String::from_utf8_lossy(&found.stdout).trim()).is_absolute())
}
