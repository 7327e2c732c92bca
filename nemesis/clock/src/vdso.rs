//! The vDSO, real and stand-in.
//!
//! The kernel maps the same small ELF image into every 64-bit program, at an address of its own each time, and says
//! where in the auxiliary vector. So the places of its functions are read once, from this process, and hold for all
//! programs until the next boot. The stand-in (`vdso/stand_in.c`) is filled in with the addresses of one program.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;

/// Bytes of a page, and of the stand-in.
pub(crate) const PAGE: usize = 4096;

/// The largest vDSO that is read: today's are 8 to 16 KiB.
const LENGTH_MAX: u64 = 256 * 1024;

/// The `syscall` instruction.
const SYSCALL: [u8; 2] = [0x0F, 0x05];

static IMAGE: &[u8; PAGE] = include_bytes!(concat!(env!("OUT_DIR"), "/stand_in.page"));

/// Where `struct real` of the stand-in begins.
const MARKER: &[u8; 8] = b"DNSSREAL";

/// The functions in the order of `struct real`.
const FUNCTIONS: [&str; 5] =
    ["__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_clock_getres", "__vdso_getcpu", "__vdso_getrandom"];

/// Why there is no real vDSO to stand in for.
#[derive(Debug, thiserror::Error)]
pub enum NoVdso {
    /// The kernel maps none.
    #[error("this kernel maps no vDSO into programs (started with vdso=0?)")]
    Absent,
    /// Its image makes no sense.
    #[error("this kernel's vDSO cannot be used: {0}")]
    Strange(String),
    /// `/proc` cannot be read.
    #[error("this process's own vDSO cannot be read from /proc: {0}")]
    Unreadable(#[from] io::Error),
}

/// This kernel's vDSO.
#[derive(Debug)]
pub(crate) struct RealVdso {
    /// The image as programs have it.
    image: Vec<u8>,
    /// Offsets of [`FUNCTIONS`]; none where this kernel has no such function.
    functions: [Option<u64>; FUNCTIONS.len()],
    /// Offset of a `syscall` instruction.
    system_call: u64,
}

impl RealVdso {
    /// Reads this process's.
    pub(crate) fn read_own() -> Result<Self, NoVdso> {
        let maps = fs::read_to_string("/proc/self/maps")?;
        let line = maps.lines().find(|line| line.ends_with("[vdso]")).ok_or(NoVdso::Absent)?;
        let range = line.split_whitespace().next().and_then(|range| range.split_once('-'));
        let range = range.and_then(|(from, to)| Some((address(from)?, address(to)?)));
        let Some((from, to)) = range.filter(|(from, to)| from < to && to - from <= LENGTH_MAX) else {
            return Err(NoVdso::Strange(format!("it is mapped as `{line}`")));
        };
        let mut image = vec![0; (to - from) as usize];
        File::open("/proc/self/mem")?.read_exact_at(&mut image, from)?;
        Self::parse(image)
    }

    fn parse(image: Vec<u8>) -> Result<Self, NoVdso> {
        let elf = Elf::parse(&image).map_err(|error| NoVdso::Strange(error.to_string()))?;
        let bias = elf.program_headers.iter().find(|header| header.p_type == PT_LOAD).map_or(0, |load| load.p_vaddr);
        let place = |name: &&str| {
            let symbol = elf.dynsyms.iter().find(|symbol| elf.dynstrtab.get_at(symbol.st_name) == Some(name));
            symbol.and_then(|symbol| symbol.st_value.checked_sub(bias))
        };
        let functions = FUNCTIONS.each_ref().map(place);
        if functions[0].is_none() {
            return Err(NoVdso::Strange(format!("it has no {}", FUNCTIONS[0])));
        }
        let system_call = image.windows(SYSCALL.len()).position(|bytes| bytes == SYSCALL);
        let system_call = system_call.ok_or_else(|| NoVdso::Strange("it makes no system call".to_owned()))? as u64;
        Ok(Self { functions, system_call, image })
    }

    /// The address of a `syscall` instruction in a program whose vDSO is at `base`.
    pub(crate) fn system_call(&self, base: u64) -> u64 {
        base + self.system_call
    }

    /// Whether code of a program is the vDSO's: `code` are the bytes that end at `address`, behind a system call.
    pub(crate) fn is_code(&self, code: &[u8], address: u64) -> bool {
        let in_page = (address % PAGE as u64) as usize;
        let ends = (in_page..=self.image.len()).step_by(PAGE);
        ends.filter_map(|end| self.image.get(end.checked_sub(code.len())?..end)).any(|own| own == code)
    }

    /// The stand-in for a program whose real vDSO is at `base`.
    pub(crate) fn stand_in(&self, base: u64) -> [u8; PAGE] {
        let mut page = *IMAGE;
        let marker = page.windows(MARKER.len()).position(|bytes| bytes == MARKER);
        let mut at = marker.expect("the stand-in has its marker: a test looks at it") + MARKER.len();
        for function in self.functions {
            let address = function.map_or(0, |offset| base + offset);
            page[at..at + 8].copy_from_slice(&address.to_le_bytes());
            at += 8;
        }
        page
    }
}

fn address(hexadecimal: &str) -> Option<u64> {
    u64::from_str_radix(hexadecimal, 16).ok()
}

#[cfg(test)]
mod tests {
    use goblin::elf::dynamic::{DT_REL, DT_RELA, DT_TEXTREL};
    use goblin::elf::program_header::{PF_R, PF_X, PT_DYNAMIC, PT_INTERP};

    use super::*;

    fn symbols(image: &[u8]) -> Vec<(String, u64)> {
        let elf = Elf::parse(image).expect("an ELF image");
        let named = elf.dynsyms.iter().filter(|symbol| symbol.is_function());
        named
            .map(|symbol| (elf.dynstrtab.get_at(symbol.st_name).expect("a name").to_owned(), symbol.st_value))
            .collect()
    }

    #[test]
    fn the_stand_in_has_every_function_of_the_real_one_that_reads_a_clock() {
        let real = RealVdso::read_own().expect("a vDSO");
        let own: Vec<String> = symbols(IMAGE).into_iter().map(|(name, _)| name).collect();
        let of_kernel = symbols(&real.image);
        for (name, _) in &of_kernel {
            // Enclaves are entered through the vDSO by their drivers alone.
            assert!(own.contains(name) || name.contains("sgx"), "{name} of this kernel is missing");
        }
        for function in FUNCTIONS {
            assert!(own.contains(&function.to_owned()), "{function}");
        }
        assert!(of_kernel.len() >= 4, "{of_kernel:?}");
    }

    #[test]
    fn the_stand_in_is_a_page_without_relocations() {
        let elf = Elf::parse(IMAGE).expect("an ELF image");
        let loads: Vec<_> = elf.program_headers.iter().filter(|header| header.p_type == PT_LOAD).collect();
        assert_eq!(loads.len(), 1);
        assert_eq!((loads[0].p_offset, loads[0].p_vaddr, loads[0].p_flags), (0, 0, PF_R | PF_X));
        assert!(loads[0].p_memsz <= PAGE as u64 && loads[0].p_memsz == loads[0].p_filesz);
        assert!(
            elf.program_headers.iter().all(|header| [PT_LOAD, PT_DYNAMIC].contains(&header.p_type)),
            "no {PT_INTERP}"
        );
        let dynamic = elf.dynamic.as_ref().expect("a dynamic section");
        assert!(dynamic.dyns.iter().all(|entry| ![DT_REL, DT_RELA, DT_TEXTREL].contains(&entry.d_tag)));
        assert!(
            elf.dynrelas.is_empty() && elf.dynrels.is_empty() && elf.pltrelocs.is_empty() && elf.libraries.is_empty()
        );
        assert_eq!((elf.soname, elf.header.e_shnum), (Some("linux-vdso.so.1"), 0));
        let tags = dynamic.dyns.iter().map(|entry| entry.d_tag).collect::<Vec<_>>();
        assert!(tags.contains(&goblin::elf::dynamic::DT_HASH) && tags.contains(&goblin::elf::dynamic::DT_GNU_HASH));
    }

    #[test]
    fn the_stand_ins_functions_have_the_version_that_programs_ask_for() {
        // As it was linked: versions are found by section headers here, by the dynamic section in programs.
        let linked: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stand_in.so"));
        assert_eq!(symbols(linked), symbols(IMAGE));
        let elf = Elf::parse(linked).expect("an ELF image");
        let definitions = elf.verdef.as_ref().expect("versions");
        let versions: Vec<_> = definitions
            .iter()
            .map(|definition| {
                let name = definition.iter().next().and_then(|name| elf.dynstrtab.get_at(name.vda_name));
                (definition.vd_ndx, name.expect("a name"))
            })
            .collect();
        let number = versions.iter().find(|(_, name)| *name == "LINUX_2.6").expect("the version of x86_64").0;
        for (symbol, version) in elf.dynsyms.iter().zip(elf.versym.as_ref().expect("versions of symbols").iter()) {
            assert!(!symbol.is_function() || version.version() == number);
            assert!(symbol.st_shndx != 0 || symbol.st_name == 0, "it needs nothing from elsewhere");
        }
    }

    #[test]
    fn real_functions_are_filled_in_at_the_programs_addresses() {
        let real = RealVdso::read_own().expect("a vDSO");
        let base = 0x7FFF_1234_5000;
        let page = real.stand_in(base);
        assert_eq!(IMAGE.windows(8).filter(|bytes| bytes == MARKER).count(), 1);
        let at = IMAGE.windows(8).position(|bytes| bytes == MARKER).expect("counted") + 8;
        let expected = symbols(&real.image);
        for (name, bytes) in FUNCTIONS.iter().zip(page[at..].chunks(8)) {
            let offset = expected.iter().find(|(symbol, _)| symbol == name).map(|(_, offset)| base + offset);
            assert_eq!(bytes, offset.unwrap_or(0).to_le_bytes(), "{name}");
        }
        let call = (real.system_call(base) - base) as usize;
        assert_eq!(real.image[call..call + 2], SYSCALL);
    }

    #[test]
    fn code_of_the_vdso_is_told_from_other_code() {
        let real = RealVdso::read_own().expect("a vDSO");
        let end = real.system_call as usize + 2;
        let code = &real.image[end - 16..end];
        assert!(real.is_code(code, 0x7FFF_0000_0000 + end as u64));
        assert!(!real.is_code(code, 0x7FFF_0000_0000 + end as u64 + 1));
        let mut other = code.to_vec();
        other[3] ^= 1;
        assert!(!real.is_code(&other, 0x7FFF_0000_0000 + end as u64));
    }

    #[test]
    fn what_is_no_vdso_is_refused() {
        assert!(matches!(RealVdso::parse(vec![0; 8192]), Err(NoVdso::Strange(_))));
        assert!(matches!(RealVdso::parse(Vec::new()), Err(NoVdso::Strange(_))));
    }
}
