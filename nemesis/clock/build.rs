//! Makes the stand-in for the vDSO out of `vdso/`: a shared object of one page, with the C compiler that the workspace
//! needs anyway. Only for x86_64; elsewhere the crate refuses at run time, by name.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const PAGE: usize = 4096;
const SOURCES: [&str; 3] = ["vdso/stand_in.c", "vdso/stand_in.lds", "vdso/stand_in.map"];

/// No library, no start files, nothing that a compiler adds for the program that it believes to build.
const FLAGS: [&str; 16] = [
    "-O2",
    "-fPIC",
    "-shared",
    "-nostdlib",
    "-ffreestanding",
    "-fno-builtin",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fcf-protection=none",
    "-fvisibility=default",
    "-Wl,--hash-style=both",
    "-Wl,-soname=linux-vdso.so.1",
    "-Wl,-Bsymbolic",
    "-Wl,--build-id=none",
    "-Wl,-z,max-page-size=4096",
    "-Wl,--strip-all",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    SOURCES.iter().for_each(|source| println!("cargo::rerun-if-changed={source}"));
    if env::var("CARGO_CFG_TARGET_ARCH")? != "x86_64" || env::var("CARGO_CFG_TARGET_OS")? != "linux" {
        return Ok(());
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let object = out.join("stand_in.so");
    link(&object)?;
    fs::write(out.join("stand_in.page"), page(&fs::read(&object)?)?)?;
    Ok(())
}

fn link(object: &Path) -> Result<(), Box<dyn Error>> {
    let compiler = cc::Build::new().cargo_warnings(false).try_get_compiler()?;
    let mut command = Command::new(compiler.path());
    if compiler.is_like_clang() {
        command.arg(format!("--target={}", env::var("TARGET")?));
    }
    command.args(FLAGS).arg(format!("-Wl,-T,{}", SOURCES[1])).arg(format!("-Wl,--version-script={}", SOURCES[2]));
    command.arg("-o").arg(object).arg(SOURCES[0]);
    let output = command.output().map_err(|error| format!("{command:?} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("the stand-in vDSO does not build: {command:?}\n{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// What a program gets to see: the first segment, which the linker script keeps within a page. Section headers are
/// never mapped, so the header must not promise any.
fn page(object: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    const SECTION_OFFSET: usize = 40;
    const SECTION_COUNTS: usize = 58;
    const HEADER_LENGTH: usize = 64;
    const SEGMENT_LENGTH: usize = HEADER_LENGTH + 32;
    let length = object.get(SEGMENT_LENGTH..SEGMENT_LENGTH + 8).ok_or("the stand-in vDSO is no ELF file")?;
    let length = usize::try_from(u64::from_le_bytes(length.try_into()?))?;
    let segment = object.get(..length).filter(|_| length <= PAGE).ok_or("the stand-in vDSO does not fit a page")?;
    let mut page = segment.to_vec();
    page.resize(PAGE, 0);
    page[SECTION_OFFSET..SECTION_OFFSET + 8].fill(0);
    page[SECTION_COUNTS..HEADER_LENGTH].fill(0);
    Ok(page)
}
